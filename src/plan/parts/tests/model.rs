//! The plan against an array that says for every piece of the file who fetches it: whatever
//! happens, the parts tile the file, and no byte is counted twice.

use super::super::*;
use proptest::prelude::*;

/// Bytes that one place of the array stands for.
const UNIT: u64 = 512;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Hole,
    Of(PartId),
    Done,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take,
    Came { part: usize, units: u64 },
    Leave { part: usize },
    Extend { part: usize, units: u64 },
    Tile { count: usize },
    Wait { ms: u64 },
    Forget { start: u64, units: u64 },
    Reset,
}

struct Model {
    parts: Parts,
    places: Vec<Place>,
    /// Names of all parts that have not left, also of those that were taken over.
    ids: Vec<PartId>,
    now_ms: u64,
    splitting: Splitting,
}

impl Model {
    fn new(units: u64, done: &[(u64, u64)], splitting: Splitting) -> Self {
        let ranges = done.iter().map(|(start, end)| start * UNIT..end * UNIT).collect();
        let mut places = vec![Place::Hole; usize::try_from(units).unwrap()];
        for (start, end) in done {
            for unit in (*start..*end).filter(|unit| *unit < units) {
                places[usize::try_from(unit).unwrap()] = Place::Done;
            }
        }
        let parts = Parts::new(Some(units * UNIT), ranges);
        Self { parts, places, ids: Vec::new(), now_ms: 0, splitting }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let id = |part: usize| (!self.ids.is_empty()).then(|| self.ids[part % self.ids.len()]);
        match step {
            Step::Take => self.take()?,
            Step::Came { part, units } => {
                if let Some(id) = id(part) {
                    self.came(id, units)?;
                }
            }
            Step::Leave { part } => {
                if let Some(id) = id(part) {
                    self.parts.leave(id);
                    self.ids.retain(|other| *other != id);
                    self.replace(|place| (place == Place::Of(id)).then_some(Place::Hole));
                }
            }
            Step::Extend { part, units } => {
                if let Some(id) = id(part) {
                    self.extend(id, units)?;
                }
            }
            Step::Tile { count } => self.tile(count),
            Step::Wait { ms } => self.now_ms += ms,
            Step::Forget { start, units } => {
                self.parts.forget(start * UNIT..(start + units) * UNIT);
                let start = usize::try_from(start).unwrap();
                let places =
                    self.places.iter_mut().skip(start).take(usize::try_from(units).unwrap());
                places.filter(|place| **place == Place::Done).for_each(|at| *at = Place::Hole);
            }
            Step::Reset => {
                self.parts.reset(Some(self.places.len() as u64 * UNIT));
                self.replace(|_| Some(Place::Hole));
            }
        }
        self.check()
    }

    fn replace(&mut self, new: impl Fn(Place) -> Option<Place>) {
        for place in &mut self.places {
            *place = new(*place).unwrap_or(*place);
        }
    }

    fn units(&mut self, range: Range<u64>) -> &mut [Place] {
        let unit = |offset: u64| usize::try_from(offset / UNIT).unwrap();
        &mut self.places[unit(range.start)..unit(range.end)]
    }

    fn take(&mut self) -> Result<(), TestCaseError> {
        let is_wanted = self.parts.wants_more(self.now_ms, 6, self.splitting) > 0;
        let taken = self.parts.take(self.now_ms, 6, self.splitting);
        prop_assert_eq!(taken.is_some(), is_wanted);
        let Some(Taken { id, range, victim }) = taken else { return Ok(()) };
        prop_assert!(!range.is_empty() && !self.ids.contains(&id));
        prop_assert!(self.parts.active() <= 6);
        self.ids.push(id);
        let before = self.units(range.clone())[0];
        for place in self.units(range.clone()) {
            prop_assert!(*place == before && *place != Place::Done);
            *place = Place::Of(id);
        }
        let owned = |owner| self.places.iter().filter(|at| **at == Place::Of(owner)).count() as u64;
        match (before, victim) {
            (Place::Hole, None) => {}
            (Place::Of(owner), Some(victim)) => {
                prop_assert_eq!((owner, owned(owner)), (victim, 0));
            }
            (Place::Of(owner), None) => {
                prop_assert!(owned(owner) * UNIT >= self.splitting.part_bytes_min);
                prop_assert!(range.end - range.start >= self.splitting.part_bytes_min);
                prop_assert!(range.start.is_multiple_of(4_096));
            }
            other => prop_assert!(false, "{:?}", other),
        }
        Ok(())
    }

    fn came(&mut self, id: PartId, units: u64) -> Result<(), TestCaseError> {
        let course = self.parts.came(id, units * UNIT, self.now_ms);
        let own = self.places.iter_mut().filter(|place| **place == Place::Of(id));
        own.take(usize::try_from(units).unwrap()).for_each(|place| *place = Place::Done);
        let last = self.places.iter().rposition(|place| *place == Place::Of(id));
        let wanted =
            last.map_or(Course::Ended, |last| Course::On { end: (last as u64 + 1) * UNIT });
        prop_assert_eq!(course, wanted);
        Ok(())
    }

    fn extend(&mut self, id: PartId, units: u64) -> Result<(), TestCaseError> {
        let Some(before) = self.parts.end(id) else { return Ok(()) };
        let response_end = before + units * UNIT;
        if let Some(end) = self.parts.extend(id, response_end) {
            prop_assert!(before < end && end <= response_end);
            for place in self.units(before..end) {
                prop_assert_eq!(*place, Place::Hole);
                *place = Place::Of(id);
            }
        }
        Ok(())
    }

    fn tile(&mut self, count: usize) {
        let ends: Vec<_> = self.ids.iter().map(|id| (*id, self.parts.end(*id))).collect();
        self.parts.tile(count, self.splitting.part_bytes_min);
        for (id, before) in ends {
            if let (Some(before), Some(end)) = (before, self.parts.end(id)) {
                self.units(end..before).fill(Place::Hole);
            }
        }
    }

    /// The plan says of every byte what the array says.
    fn check(&self) -> Result<(), TestCaseError> {
        let mut found = vec![None; self.places.len()];
        let parts = &self.parts;
        let active = parts.active.iter();
        let active = active.map(|part| (part.position..part.end, Place::Of(part.id)));
        let holes = parts.holes().iter().map(|hole| (hole.clone(), Place::Hole));
        let done = parts.done().iter().map(|range| (range, Place::Done));
        for (range, what) in active.chain(holes).chain(done) {
            for unit in range.start / UNIT..range.end / UNIT {
                let place = &mut found[usize::try_from(unit).unwrap()];
                prop_assert_eq!(*place, None, "in two at {}", unit);
                *place = Some(what);
            }
        }
        let wanted: Vec<_> = self.places.iter().copied().map(Some).collect();
        prop_assert_eq!(found, wanted);
        let whole = self.places.iter().all(|place| *place == Place::Done);
        prop_assert_eq!(parts.is_whole(), whole);
        let missing = self.places.iter().filter(|place| **place != Place::Done).count() as u64;
        prop_assert_eq!(parts.missing_bytes(), Some(missing * UNIT));
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Take),
        9 => (0..9_usize, 0..90_u64).prop_map(|(part, units)| Step::Came { part, units }),
        2 => (0..9_usize).prop_map(|part| Step::Leave { part }),
        2 => (0..9_usize, 0..90_u64).prop_map(|(part, units)| Step::Extend { part, units }),
        1 => (0..9_usize).prop_map(|count| Step::Tile { count }),
        4 => (0..4_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => (0..300_u64, 0..90_u64).prop_map(|(start, units)| Step::Forget { start, units }),
        1 => (0..20_u8).prop_map(|n| if n == 0 { Step::Reset } else { Step::Take }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn parts_tile_the_file(
        units in 0..500_u64,
        done in prop::collection::vec((0..250_u64, 0..500_u64), 0..3),
        bytes_min in 0..20_000_u64,
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let splitting = Splitting { parts: NonZeroUsize::new(6), part_bytes_min: bytes_min };
        let mut model = Model::new(units, &done, splitting);
        model.check()?;
        for step in steps {
            model.step(step)?;
        }
        // Whatever came before, one connection can always do the rest.
        for id in std::mem::take(&mut model.ids) {
            model.ids.push(id);
            model.step(Step::Leave { part: 0 })?;
        }
        while let Some(id) = model.parts.take(model.now_ms, 1, splitting) {
            let bytes = id.range.end - id.range.start;
            prop_assert_eq!(model.parts.came(id.id, bytes, model.now_ms), Course::Ended);
            model.parts.leave(id.id);
        }
        prop_assert!(model.parts.is_whole());
    }
}
