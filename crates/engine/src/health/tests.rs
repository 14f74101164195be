use super::*;

fn thresholds() -> Thresholds {
    Thresholds {
        successes: 2,
        http_failures: 3,
        tcp_failures: 2,
        timeouts: 1,
        healthy_statuses: [200, 302].into_iter().collect(),
        unhealthy_statuses: [500, 503].into_iter().collect(),
    }
}

#[test]
fn a_status_set_knows_its_codes() {
    let set: StatusSet = [100, 200, 503, 599, 5000].into_iter().collect();
    let found: Vec<u16> = (0..=u16::MAX).filter(|&code| set.contains(code)).collect();
    assert_eq!(found, [100, 200, 503, 599]);
}

#[test]
fn as_many_failures_in_a_row_as_the_threshold_make_it_unhealthy() {
    let (health, limits) = (Health::default(), thresholds());
    assert_eq!(health.report(&limits, Outcome::Status(500)), None);
    assert_eq!(health.report(&limits, Outcome::Status(503)), None);
    assert!(health.is_healthy());
    assert_eq!(health.report(&limits, Outcome::Status(500)), Some(false));
    assert!(!health.is_healthy());
    assert_eq!(health.report(&limits, Outcome::Status(500)), None, "told once");
}

#[test]
fn each_kind_of_failure_counts_for_itself() {
    let (health, limits) = (Health::default(), thresholds());
    for outcome in [Outcome::Status(500), Outcome::ConnectFailed, Outcome::Status(500)] {
        assert_eq!(health.report(&limits, outcome), None);
    }
    assert_eq!(health.report(&limits, Outcome::TimedOut), Some(false));
}

#[test]
fn a_success_starts_the_count_of_failures_again() {
    let (health, limits) = (Health::default(), thresholds());
    assert_eq!(health.report(&limits, Outcome::ConnectFailed), None);
    assert_eq!(health.report(&limits, Outcome::Status(200)), None);
    assert_eq!(health.report(&limits, Outcome::ConnectFailed), None);
    assert_eq!(health.report(&limits, Outcome::ConnectFailed), Some(false));
}

#[test]
fn without_a_threshold_of_successes_failures_add_up() {
    let health = Health::default();
    let limits = Thresholds { successes: 0, ..thresholds() };
    assert_eq!(health.report(&limits, Outcome::ConnectFailed), None);
    assert_eq!(health.report(&limits, Outcome::Status(200)), None);
    assert_eq!(health.report(&limits, Outcome::ConnectFailed), Some(false));
    for _ in 0..300 {
        assert_eq!(health.report(&limits, Outcome::Status(200)), None, "nothing but a hand or a probe brings it back");
    }
}

#[test]
fn successes_bring_it_back_and_a_failure_between_them_does_not() {
    let (health, limits) = (Health::default(), thresholds());
    assert!(health.set(false));
    assert_eq!(health.report(&limits, Outcome::Connected), None);
    assert_eq!(health.report(&limits, Outcome::ConnectFailed), None);
    assert_eq!(health.report(&limits, Outcome::Connected), None);
    assert_eq!(health.report(&limits, Outcome::Connected), Some(true));
}

#[test]
fn what_is_not_counted_changes_nothing() {
    let health = Health::default();
    let limits = Thresholds { http_failures: 0, tcp_failures: 0, timeouts: 0, ..thresholds() };
    for outcome in [Outcome::Status(500), Outcome::ConnectFailed, Outcome::TimedOut, Outcome::Status(404)] {
        for _ in 0..1000 {
            assert_eq!(health.report(&limits, outcome), None);
        }
    }
    assert!(health.is_healthy());
}

#[test]
fn the_largest_threshold_is_reached() {
    let health = Health::default();
    let limits = Thresholds { tcp_failures: 255, ..thresholds() };
    let changes: Vec<usize> = (1..=600).filter(|_| health.report(&limits, Outcome::ConnectFailed).is_some()).collect();
    assert_eq!(changes, [255]);
}

#[test]
fn a_hand_sets_it_and_says_whether_that_was_a_change() {
    let health = Health::default();
    assert!(!health.set(true));
    assert!(health.set(false));
    assert!(!health.set(false));
    assert!(health.set(true));
}
