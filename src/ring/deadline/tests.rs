//! Bodies at every pace, judged with made-up clocks.

use super::*;

const PATIENCE: StallLimits =
    StallLimits { idle_ms: 1_000, window_ms: 3_000, window_bytes_min: 300 };

/// A row that never touches its descriptor.
fn row() -> Row {
    Row {
        fd: -1,
        rule: Rule::Body(PATIENCE),
        at_ms: 0,
        job_at_ms: u64::MAX,
        armed_ms: 0,
        window: None,
        verdict: None,
        cut: None,
    }
}

impl Row {
    /// As `Watch::arm` at that time.
    fn arm_at(&mut self, now_ms: u64) {
        self.at_ms = now_ms + PATIENCE.idle_ms;
        self.resume(&PATIENCE);
    }

    /// As `Watch::disarm` at that time.
    fn pause_at(&mut self, now_ms: u64) {
        self.window.as_mut().expect("a body is received").pause(now_ms);
    }

    /// A sweep at that time, when so many bytes had come, the last one so long ago.
    fn look(&mut self, now_ms: u64, bytes: u64, ago_ms: u32) -> Result<u64, Cause> {
        assert!(self.at_ms <= now_ms, "not due before {}", self.at_ms);
        let at_ms = self.judge(&PATIENCE, Some(TcpInfo::made(ago_ms, bytes)), now_ms)?;
        self.at_ms = at_ms;
        Ok(at_ms)
    }
}

#[test]
fn the_first_look_only_counts() {
    let mut row = row();
    row.arm_at(10_000);
    assert_eq!(row.at_ms, 10_000, "due at the next sweep");
    // What came for earlier responses is no merit of this one.
    assert_eq!(row.look(10_050, 1_000_000, 0), Ok(11_050));
    assert_eq!(row.look(11_050, 1_000_100, 0), Ok(12_050));
    assert_eq!(row.look(12_050, 1_000_200, 0), Ok(13_050));
    assert_eq!(row.look(13_050, 1_000_299, 0), Err(Cause::TooSlow));
}

#[test]
fn just_fast_enough_goes_on_for_ever() {
    let mut row = row();
    row.arm_at(0);
    let mut now_ms = 50;
    for bytes in (0..30_000).step_by(100) {
        assert!(row.look(now_ms, bytes, 0).is_ok(), "{bytes}");
        now_ms += 1_000;
    }
}

#[test]
fn slow_at_first_and_then_fast_is_judged_by_the_whole_window() {
    let mut row = row();
    row.arm_at(0);
    row.look(0, 0, 0).unwrap();
    row.look(1_000, 1, 0).unwrap();
    row.look(2_000, 2, 0).unwrap();
    assert_eq!(row.look(3_000, 300, 0), Ok(4_000));
    // The next window owes as much again.
    row.look(4_000, 300, 0).unwrap();
    row.look(5_000, 300, 0).unwrap();
    assert_eq!(row.look(6_000, 599, 0), Err(Cause::TooSlow));
}

#[test]
fn another_receive_does_not_begin_another_window() {
    let mut row = row();
    row.arm_at(0);
    row.look(0, 0, 0).unwrap();
    // A byte every half second, each ending a receive: the idle rule never sees the end.
    for now_ms in (500..3_000).step_by(500) {
        row.arm_at(now_ms);
        assert!(row.at_ms > now_ms && row.at_ms <= 3_000, "at {now_ms}: {}", row.at_ms);
    }
    row.arm_at(2_900);
    assert_eq!(row.at_ms, 3_000);
    assert_eq!(row.look(3_000, 6, 100), Err(Cause::TooSlow));
}

#[test]
fn our_own_pauses_are_not_the_peers() {
    let mut row = row();
    row.arm_at(0);
    row.look(0, 0, 0).unwrap();
    row.arm_at(2_000);
    // The disk takes its time; the peer could send no more than the window of its connection.
    row.pause_at(2_500);
    row.arm_at(62_500);
    assert_eq!(row.at_ms, 63_000, "half a second of the window is left");
    // Nothing came for a minute, and that is no idle peer either.
    assert_eq!(row.look(63_000, 300, 60_500), Ok(63_500));
    assert_eq!(row.look(63_500, 300, 61_000), Err(Cause::Timeout));
}

#[test]
fn a_core_that_stood_still_is_no_slow_peer() {
    let mut row = row();
    row.arm_at(0);
    row.look(0, 0, 0).unwrap();
    row.look(1_000, 1, 0).unwrap();
    row.excuse(60_000, 61_000);
    // Nothing came since the socket's buffer was full.
    assert_eq!(row.look(61_000, 200, 59_000), Ok(62_000));
    assert_eq!(row.look(62_000, 200, 100), Ok(62_900));
    assert_eq!(row.look(62_900, 299, 0), Ok(63_000));
    assert_eq!(row.look(63_000, 299, 0), Err(Cause::TooSlow));
}

#[test]
fn a_kernel_that_does_not_count_leaves_the_idle_rule() {
    let mut row = row();
    row.arm_at(0);
    assert_eq!(row.judge(&PATIENCE, None, 999), Ok(1_000));
    assert_eq!(row.judge(&PATIENCE, None, 1_000), Err(Cause::Timeout));
}

#[test]
fn without_a_limit_there_is_no_window() {
    let mut row = row();
    row.at_ms = 1_000;
    row.resume(&StallLimits { window_bytes_min: 0, ..PATIENCE });
    assert!(row.window.is_none() && row.at_ms == 1_000);
}

#[test]
fn a_pause_of_a_watched_socket_keeps_its_window() {
    let deadlines = Deadlines::new(Instant::now());
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let socket = OwnedFd::from(socket);
    let watch = deadlines.watch(&socket);
    let has_window = || deadlines.table.borrow().rows[0].window.is_some();
    watch.arm(Rule::Body(PATIENCE), 1_000, u64::MAX);
    watch.disarm();
    assert!(has_window());
    assert_eq!(deadlines.table.borrow().rows[0].at_ms, u64::MAX);
    // The head of the next response begins from nothing.
    watch.arm(Rule::Total, 1_000, u64::MAX);
    assert!(!has_window());
}
