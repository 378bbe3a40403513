//! The jobs of all queues in one slab, and a queue as a chain through it.
//!
//! A look-ahead of a million jobs on 200,000 hosts has a queue for each of them, most of a few jobs
//! only. A buffer per queue would cost an allocation and unused room for each; here a queue is
//! three numbers, a job costs its own size and eight bytes, and what a job leaves is used by the
//! next one. Memory grows by one block at a time, so that no push moves what is there.

use std::ops::{Index, IndexMut};

/// Values that never move once they are there, by number.
#[derive(Debug)]
pub(super) struct Blocks<V> {
    blocks: Vec<Vec<V>>,
    count: u32,
}

impl<V> Blocks<V> {
    pub(super) fn new() -> Self {
        Self { blocks: Vec::new(), count: 0 }
    }

    /// Adds a value and gives its number.
    pub(super) fn push(&mut self, value: V) -> u32 {
        let number = self.count;
        if (number as usize).is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        self.blocks[number as usize / BLOCK].push(value);
        self.count += 1;
        assert!(self.count < NIL, "more is held than can be numbered");
        number
    }

    /// All values, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.blocks.iter().flatten()
    }
}

impl<V> Index<u32> for Blocks<V> {
    type Output = V;

    fn index(&self, number: u32) -> &V {
        &self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }
}

impl<V> IndexMut<u32> for Blocks<V> {
    fn index_mut(&mut self, number: u32) -> &mut V {
        &mut self.blocks[number as usize / BLOCK][number as usize % BLOCK]
    }
}

/// A queue: a chain of jobs through the slab.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self { head: NIL, tail: NIL, len: 0 };

    pub(super) fn len(self) -> usize {
        self.len as usize
    }

    pub(super) fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// One job among all that were ever given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    number: u32,
    sequence: u32,
}

/// The jobs of all queues, and those kept back.
#[derive(Debug)]
pub(super) struct Jobs<T> {
    nodes: Blocks<Node<T>>,
    /// The first node that is free, in a chain like that of a queue.
    free: u32,
    /// Number of the next job in the order in which jobs are given.
    sequence: u32,
}

/// One job and the next one of its queue.
#[derive(Debug)]
struct Node<T> {
    /// The job; `None` while the node is free, and in a gap: what a job leaves that was taken out
    /// of the middle of its queue. The first node of a queue is no gap.
    item: Option<T>,
    /// The job's place in the order in which jobs were given. The number begins again after 2^32
    /// jobs; far fewer are held at a time, so that of two of them the older one is always known.
    sequence: u32,
    next: u32,
}

impl<T> Jobs<T> {
    pub(super) fn new() -> Self {
        Self { nodes: Blocks::new(), free: NIL, sequence: 0 }
    }

    /// Keeps a job that is in no queue yet, and gives its number.
    pub(super) fn keep(&mut self, item: T) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        let node = Node { item: Some(item), sequence: self.sequence, next: NIL };
        if self.free == NIL {
            return self.nodes.push(node);
        }
        let number = self.free;
        self.free = self.nodes[number].next;
        self.nodes[number] = node;
        number
    }

    pub(super) fn push_back(&mut self, list: &mut List, number: u32) {
        self.nodes[number].next = NIL;
        if list.tail == NIL {
            list.head = number;
        } else {
            self.nodes[list.tail].next = number;
        }
        list.tail = number;
        list.len += 1;
    }

    pub(super) fn push_front(&mut self, list: &mut List, number: u32) {
        self.nodes[number].next = list.head;
        if list.head == NIL {
            list.tail = number;
        }
        list.head = number;
        list.len += 1;
    }

    pub(super) fn pop_front(&mut self, list: &mut List) -> Option<T> {
        let number = list.head;
        if number == NIL {
            return None;
        }
        list.head = self.nodes[number].next;
        list.len -= 1;
        let item = self.give(number);
        self.close_gaps(list);
        Some(item)
    }

    /// Takes a job out of its queue, wherever it is.
    pub(super) fn take_out(&mut self, list: &mut List, mark: Mark) -> Option<T> {
        if !self.holds(mark) {
            return None;
        }
        let item = self.nodes[mark.number].item.take();
        list.len -= 1;
        self.close_gaps(list);
        item
    }

    /// A mark that finds the job again for as long as it is held.
    pub(super) fn mark(&self, number: u32) -> Mark {
        Mark { number, sequence: self.nodes[number].sequence }
    }

    /// Whether the job is still held.
    pub(super) fn holds(&self, mark: Mark) -> bool {
        let node = &self.nodes[mark.number];
        node.item.is_some() && node.sequence == mark.sequence
    }

    /// The jobs of a queue, in its order.
    pub(super) fn iter(&self, list: List) -> impl Iterator<Item = &T> {
        let node = |number: u32| (number != NIL).then(|| &self.nodes[number]);
        let nodes = std::iter::successors(node(list.head), move |last| node(last.next));
        nodes.filter_map(|node| node.item.as_ref())
    }

    /// A job that is held.
    #[cfg(test)]
    pub(super) fn peek(&self, number: u32) -> Option<&T> {
        self.nodes[number].item.as_ref()
    }

    /// Frees the gaps that a queue begins with.
    fn close_gaps(&mut self, list: &mut List) {
        while list.head != NIL && self.nodes[list.head].item.is_none() {
            let gap = list.head;
            list.head = self.nodes[gap].next;
            self.nodes[gap].next = self.free;
            self.free = gap;
        }
        if list.head == NIL {
            list.tail = NIL;
        }
    }

    /// Gives up a job that is in no queue.
    pub(super) fn give(&mut self, number: u32) -> T {
        let node = &mut self.nodes[number];
        node.next = self.free;
        self.free = number;
        node.item.take().expect("a job is given once")
    }

    /// How many jobs were given since the first one of a queue, at most.
    pub(super) fn age_of_first(&self, list: List) -> Option<u32> {
        (list.head != NIL).then(|| self.age(list.head))
    }

    /// How many jobs were given since the last one of a queue.
    pub(super) fn age_of_last(&self, list: List) -> Option<u32> {
        (list.tail != NIL).then(|| self.age(list.tail))
    }

    /// How many jobs were given since the one with this number.
    pub(super) fn age(&self, number: u32) -> u32 {
        self.sequence.wrapping_sub(self.nodes[number].sequence)
    }
}

/// The end of a chain.
const NIL: u32 = u32::MAX;
/// Values in one block.
const BLOCK: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn a_job_costs_eight_bytes_beside_itself() {
        assert_eq!(size_of::<Node<Box<[u64; 4]>>>(), 8 + 8);
        assert_eq!(size_of::<Node<(Box<str>, u64)>>(), 24 + 8);
        assert_eq!(size_of::<List>(), 12);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn chains_are_queues(
            ops in prop::collection::vec(
                (0..3_usize, 0..6_u8, any::<prop::sample::Index>()),
                0..300,
            ),
        ) {
            let mut jobs = Jobs::new();
            let mut lists = [List::EMPTY; 3];
            let mut model: [VecDeque<u32>; 3] = Default::default();
            let (mut given, mut most) = (0, 0);
            let mut marks = Vec::new();
            for (at, op, pick) in ops {
                match op {
                    0..=2 => {
                        let number = jobs.keep(given);
                        marks.push(jobs.mark(number));
                        if op == 0 {
                            jobs.push_back(&mut lists[at], number);
                            model[at].push_back(given);
                        } else {
                            jobs.push_front(&mut lists[at], number);
                            model[at].push_front(given);
                        }
                        given += 1;
                    }
                    3 if given > 0 => {
                        let item = u32::try_from(pick.index(marks.len())).unwrap();
                        let place = model.iter().position(|queue| queue.contains(&item));
                        let mark = marks[item as usize];
                        prop_assert_eq!(jobs.holds(mark), place.is_some());
                        let taken = jobs.take_out(&mut lists[place.unwrap_or(0)], mark);
                        prop_assert_eq!(taken, place.map(|_| item));
                        model.iter_mut().for_each(|queue| queue.retain(|other| *other != item));
                    }
                    _ => prop_assert_eq!(jobs.pop_front(&mut lists[at]), model[at].pop_front()),
                }
                most = most.max(model.iter().map(VecDeque::len).sum::<usize>());
                prop_assert_eq!(lists[at].len(), model[at].len());
                prop_assert_eq!(lists[at].is_empty(), model[at].is_empty());
                let age = model[at].front().map(|first| given - 1 - first);
                prop_assert_eq!(jobs.age_of_first(lists[at]), age);
            }
            // A gap is free when all that came before it are gone.
            prop_assert!(jobs.nodes.count as usize >= most);
            for (list, queue) in lists.iter_mut().zip(&mut model) {
                while let Some(item) = queue.pop_front() {
                    prop_assert_eq!(jobs.pop_front(list), Some(item));
                }
            }
            let count = jobs.nodes.count;
            (0..count).for_each(|item| _ = jobs.keep(item));
            prop_assert_eq!(jobs.nodes.count, count, "what jobs leave is used again");
        }
    }

    #[test]
    fn the_order_outlives_the_end_of_the_numbers() {
        let mut jobs = Jobs { sequence: u32::MAX - 1, ..Jobs::new() };
        let numbers = [1, 2, 3].map(|item| jobs.keep(item));
        assert_eq!(numbers.map(|number| jobs.age(number)), [2, 1, 0]);
    }
}
