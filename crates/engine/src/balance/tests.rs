use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::health::{Thresholds, Verdict};

fn address(ip: &str, port: u16, weight: u32) -> AddressSpec {
    let name = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    AddressSpec { name: name.into(), port, weight, ips: [ip.parse().unwrap()].into_iter().collect() }
}

fn target(name: &str, addresses: Vec<AddressSpec>) -> Target {
    Target { name: name.into(), port: 80, weight: 100, addresses, source: "A".into() }
}

/// Targets 10.0.0.1, 10.0.0.2, ... with these weights.
fn group(algorithm: Algorithm, weights: &[u32]) -> Group {
    let targets = (weights.iter().enumerate())
        .map(|(i, &weight)| {
            let ip = format!("10.0.{}.{}", i / 250, i % 250 + 1);
            target(&ip, vec![address(&ip, 80, weight)])
        })
        .collect();
    Group { name: "g".into(), algorithm, slots: 10_000, threshold: 0.0, seed: 7, targets, checks: None }
}

fn checked(mut group: Group) -> Group {
    let passive = Thresholds { tcp_failures: 1, ..Thresholds::default() };
    group.checks = Some(Arc::new(Checks { active: None, passive }));
    group
}

fn pick(balancer: &Arc<Balancer>, hash: Option<u32>) -> Result<Picked, Unavailable> {
    balancer.pick(hash, &mut Tried::default(), Instant::now())
}

fn target_of(balancer: &Arc<Balancer>, hash: Option<u32>) -> String {
    pick(balancer, hash).unwrap().target().to_string()
}

#[test]
fn a_turn_of_the_wheel_gives_each_its_weight() {
    let balancer = Balancer::new(&group(Algorithm::RoundRobin, &[50, 100, 0, 150]), None, Instant::now());
    for _ in 0..3 {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for _ in 0..6 {
            *counts.entry(target_of(&balancer, None)).or_default() += 1;
        }
        let expected = [("10.0.0.1", 1), ("10.0.0.2", 2), ("10.0.0.4", 3)];
        assert_eq!(counts, expected.map(|(name, n)| (name.to_owned(), n)).into());
    }
}

#[test]
fn the_seed_decides_the_order_of_the_wheel() {
    let order = |seed| wheel::wheel(&[1; 50], seed);
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn a_huge_wheel_is_scaled_down() {
    let order = wheel::wheel(&[u32::MAX, u32::MAX - 1, 1, 0], 1);
    let count = |index| order.iter().filter(|&&i| i == index).count();
    assert!((1 << 20) - 4 <= order.len() && order.len() <= (1 << 20) + 4, "{}", order.len());
    assert!(count(0).abs_diff(count(1)) <= 1);
    assert_eq!((count(2), count(3)), (1, 0));
}

#[test]
fn the_hash_is_xxhash32_with_seed_0() {
    assert_eq!([hash(b""), hash(b"a"), hash(b"abc")], [0x02cc_5d05, 0x550d_7456, 0x32d1_53ff]);
}

#[test]
fn points_stand_where_their_hash_puts_them() {
    let balancer = Balancer::new(&group(Algorithm::ConsistentHashing, &[10, 10]), None, Instant::now());
    let Table::Ring { owners } = &balancer.table else { panic!("not a ring") };
    assert_eq!(owners.len(), 10_000);
    // The first point of the first address has nothing before it to collide with.
    assert_eq!(owners[hash(b"10.0.0.1::80 1") as usize % 10_000], 0);
    // One by one: 160 points each, a taken position moves the work on to one more point.
    let mut expected: HashMap<usize, u32> = HashMap::new();
    for (index, ip) in ["10.0.0.1", "10.0.0.2"].iter().enumerate() {
        let (mut placed, mut point) = (0, 0);
        while placed < 160 {
            point += 1;
            let slot = hash(format!("{ip}::80 {point}").as_bytes()) as usize % 10_000;
            if let std::collections::hash_map::Entry::Vacant(entry) = expected.entry(slot) {
                entry.insert(index as u32);
                placed += 1;
            }
        }
    }
    for value in 0..2000 {
        let hash = hash(format!("client {value}").as_bytes());
        let start = hash as usize % 10_000;
        let slot = (0..10_000).map(|back| (start + 10_000 - back) % 10_000).find(|s| expected.contains_key(s)).unwrap();
        assert_eq!(target_of(&balancer, Some(hash)), format!("10.0.0.{}", expected[&slot] + 1));
    }
}

#[test]
fn the_ring_does_not_depend_on_the_order_of_targets_and_addresses() {
    let mut one = group(Algorithm::ConsistentHashing, &[5, 7, 9]);
    one.targets.push(target("name", vec![address("10.9.9.9", 1, 3), address("::1", 2, 4), address("10.9.9.8", 1, 3)]));
    let mut other = one.clone();
    other.targets.reverse();
    other.targets[0].addresses.reverse();
    let [one, other] = [one, other].map(|g| Balancer::new(&g, None, Instant::now()));
    for value in 0..500_u32 {
        let hash = Some(hash(&value.to_le_bytes()));
        assert_eq!(pick(&one, hash).unwrap().socket(), pick(&other, hash).unwrap().socket());
    }
}

#[test]
fn a_small_ring_is_made_larger_and_no_hash_is_that_of_nothing() {
    let mut small = group(Algorithm::ConsistentHashing, &[1, 1]);
    small.slots = 10;
    let balancer = Balancer::new(&small, None, Instant::now());
    assert!(matches!(&balancer.table, Table::Ring { owners } if owners.len() == 1000));
    assert_eq!(target_of(&balancer, None), target_of(&balancer, Some(hash(b""))));
}

#[test]
fn a_ring_with_more_addresses_than_positions_still_answers() {
    let mut crowded = group(Algorithm::ConsistentHashing, &[1; 300]);
    crowded.slots = 1000;
    let balancer = Balancer::new(&crowded, None, Instant::now());
    assert!((0..1000_u32).all(|value| pick(&balancer, Some(value)).is_ok()));
}

#[test]
fn fewest_open_requests_for_the_weight() {
    let balancer = Balancer::new(&group(Algorithm::LeastConnections, &[10, 20]), None, Instant::now());
    let open: Vec<Picked> = (0..6).map(|_| pick(&balancer, None).unwrap()).collect();
    let first = open.iter().filter(|p| &**p.target() == "10.0.0.1").count();
    assert_eq!(first, 2);
    drop(open);
    assert_eq!(target_of(&balancer, None), "10.0.0.2", "without open requests the heaviest is first");
}

#[test]
fn equals_get_connections_by_turns() {
    let balancer = Balancer::new(&group(Algorithm::LeastConnections, &[10, 10, 10]), None, Instant::now());
    let mut names: Vec<String> = (0..3).map(|_| target_of(&balancer, None)).collect();
    names.sort();
    assert_eq!(names, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
}

#[test]
fn a_retry_goes_elsewhere_until_all_have_failed() {
    let balancer = Balancer::new(&group(Algorithm::LeastConnections, &[1, 1000, 1]), None, Instant::now());
    let mut tried = Tried::default();
    let names: Vec<String> =
        (0..4).map(|_| balancer.pick(None, &mut tried, Instant::now()).unwrap().target().to_string()).collect();
    assert_eq!((&*names[0], &*names[3]), ("10.0.0.2", "10.0.0.2"));
    assert_ne!(names[1], names[2]);
}

#[test]
fn the_lower_latency_wins_and_is_forgotten() {
    let start = Instant::now();
    let balancer = Balancer::new(&group(Algorithm::Latency, &[10, 10]), None, start);
    let mut now = start;
    for _ in 0..200 {
        now += Duration::from_millis(100);
        let picked = balancer.pick(None, &mut Tried::default(), now).unwrap();
        let slow = &**picked.target() == "10.0.0.1";
        picked.done(Duration::from_millis(if slow { 900 } else { 5 }), now);
    }
    let fast = (0..50).filter(|_| &**balancer.pick(None, &mut Tried::default(), now).unwrap().target() == "10.0.0.2");
    assert_eq!(fast.count(), 50);
    let mean = |index: usize| {
        balancer.addresses[index].state.latency.decayed(balancer.shared.tick(now + Duration::from_secs(500)))
    };
    assert!(mean(0) < 0.001 && mean(1) < 0.001);
}

#[test]
fn by_latency_a_request_ends_when_all_have_failed_it_unless_there_is_one_alone() {
    let balancer = Balancer::new(&group(Algorithm::Latency, &[1, 1, 1]), None, Instant::now());
    let mut tried = Tried::default();
    let mut names: Vec<String> =
        (0..3).map(|_| balancer.pick(None, &mut tried, Instant::now()).unwrap().target().to_string()).collect();
    names.sort();
    assert_eq!(names, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(balancer.pick(None, &mut tried, Instant::now()).err(), Some(Unavailable::NoPeers));

    let balancer = Balancer::new(&group(Algorithm::Latency, &[1]), None, Instant::now());
    let mut tried = Tried::default();
    assert!((0..3).all(|_| balancer.pick(None, &mut tried, Instant::now()).is_ok()));
}

#[test]
fn new_addresses_start_with_the_mean_latency() {
    let now = Instant::now();
    let balancer = Balancer::new(&group(Algorithm::Latency, &[1]), None, now);
    let later = now + Duration::from_secs(100);
    pick(&balancer, None).unwrap().done(Duration::from_secs(3), later);
    let balancer = balancer.rebuild(&group(Algorithm::Latency, &[1, 1, 1]), later);
    let means: Vec<f32> = balancer.addresses.iter().map(|a| a.state.latency.mean()).collect();
    assert!((means[0] - 3.0).abs() < 0.01 && (means[1] - 1.0).abs() < 0.01 && means[1] == means[2], "{means:?}");
}

#[test]
fn failures_take_an_address_out_and_a_hand_brings_it_back() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let listener: Listener =
        Arc::new(move |event: &HealthEvent| seen.lock().push((event.target.to_string(), event.healthy)));
    let balancer = Balancer::new(&checked(group(Algorithm::RoundRobin, &[1, 1])), Some(listener), Instant::now());
    let picked = pick(&balancer, None).unwrap();
    let failed = picked.target().to_string();
    picked.report(Outcome::ConnectFailed);
    assert!((0..10).all(|_| target_of(&balancer, None) != failed));
    let status = balancer.status();
    assert_eq!(status.weight, Weights { total: 2, available: 1, unavailable: 1 });
    assert_eq!(status.targets.iter().find(|t| *t.name == *failed).unwrap().health, Verdict::Unhealthy);
    assert_eq!(balancer.mark(&failed, 80, Some((&failed, 80)), true), Ok(()));
    assert!((0..2).any(|_| target_of(&balancer, None) == failed));
    assert_eq!(*events.lock(), [(failed.clone(), false), (failed, true)]);
}

#[test]
fn whoever_is_left_is_found_whatever_others_pick_meanwhile() {
    let balancer = Balancer::new(&checked(group(Algorithm::RoundRobin, &[1, 1])), None, Instant::now());
    balancer.mark("10.0.0.2", 80, None, false).unwrap();
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..50_000).all(|_| pick(&balancer, None).is_ok()))).collect();
        assert!(workers.into_iter().all(|worker| worker.join().unwrap()));
    });
}

#[test]
fn marks_need_checks_and_a_known_address() {
    let free = Balancer::new(&group(Algorithm::RoundRobin, &[1]), None, Instant::now());
    assert_eq!(free.mark("10.0.0.1", 80, None, false), Err(MarkError::NoChecks));
    assert_eq!(free.status().targets[0].health, Verdict::ChecksOff);
    let balancer = Balancer::new(&checked(group(Algorithm::RoundRobin, &[1])), None, Instant::now());
    assert_eq!(balancer.mark("10.0.0.1", 81, None, false), Err(MarkError::Unknown));
    assert_eq!(balancer.mark("10.0.0.1", 80, Some(("10.0.0.2", 80)), false), Err(MarkError::Unknown));
    assert_eq!(balancer.mark("10.0.0.1", 80, None, false), Ok(()));
    assert_eq!(pick(&balancer, None).err(), Some(Unavailable::Unhealthy));
}

#[test]
fn below_the_threshold_the_whole_group_is_unavailable() {
    let mut with_threshold = checked(group(Algorithm::RoundRobin, &[60, 40]));
    with_threshold.threshold = 60.0;
    let balancer = Balancer::new(&with_threshold, None, Instant::now());
    assert!(pick(&balancer, None).is_ok());
    balancer.mark("10.0.0.2", 80, None, false).unwrap();
    assert_eq!(pick(&balancer, None).err(), Some(Unavailable::Unhealthy), "60 per cent is not more than 60");
    with_threshold.threshold = 59.9;
    let balancer = balancer.rebuild(&with_threshold, Instant::now());
    assert!(pick(&balancer, None).is_ok());
}

#[test]
fn a_balancer_learns_of_health_reported_to_the_one_before() {
    let group = checked(group(Algorithm::RoundRobin, &[1]));
    let old = Balancer::new(&group, None, Instant::now());
    let running = pick(&old, None).unwrap();
    let new = old.rebuild(&group, Instant::now());
    assert!(new.is_usable());
    running.report(Outcome::ConnectFailed);
    assert!(!new.is_usable());
}

#[test]
fn open_requests_outlive_a_change() {
    let old = Balancer::new(&group(Algorithm::LeastConnections, &[1, 1]), None, Instant::now());
    let running = pick(&old, None).unwrap();
    let busy = running.target().to_string();
    let new = old.rebuild(&group(Algorithm::LeastConnections, &[1, 1]), Instant::now());
    assert!((0..4).all(|_| target_of(&new, None) != busy));
    drop(running);
    assert!((0..2).any(|_| target_of(&new, None) == busy));
}

#[test]
fn a_name_with_several_addresses_is_used_by_turns_and_one_without_is_skipped() {
    let mut srv = group(Algorithm::RoundRobin, &[]);
    let ips = ["10.1.1.1", "10.1.1.2"].map(|ip| ip.parse().unwrap()).into_iter().collect();
    let known = AddressSpec { name: "a.internal".into(), port: 9000, weight: 5, ips };
    let unknown = AddressSpec { name: "b.internal".into(), port: 9000, weight: 5, ips: SmallVec::new() };
    srv.targets.push(target("svc", vec![known, unknown]));
    let balancer = Balancer::new(&srv, None, Instant::now());
    let sockets: Vec<String> = (0..3).map(|_| pick(&balancer, None).unwrap().socket().to_string()).collect();
    assert_eq!(sockets, ["10.1.1.1:9000", "10.1.1.2:9000", "10.1.1.1:9000"]);
    assert_eq!(pick(&balancer, None).unwrap().host_name().map(|n| n.to_string()).as_deref(), Some("svc"));
}

#[test]
fn without_targets_or_weight_there_is_nothing() {
    let all = [Algorithm::RoundRobin, Algorithm::ConsistentHashing, Algorithm::LeastConnections, Algorithm::Latency];
    for algorithm in all {
        for weights in [&[][..], &[0, 0]] {
            let balancer = Balancer::new(&group(algorithm, weights), None, Instant::now());
            assert_eq!(pick(&balancer, Some(1)).err(), Some(Unavailable::Unhealthy), "{algorithm:?}");
        }
    }
    let mut failed = group(Algorithm::RoundRobin, &[1]);
    failed.targets[0].addresses.clear();
    assert_eq!(Balancer::new(&failed, None, Instant::now()).status().targets[0].health, Verdict::DnsError);
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::RoundRobin),
        Just(Algorithm::ConsistentHashing),
        Just(Algorithm::LeastConnections),
        Just(Algorithm::Latency)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_wheel_is_in_proportion(weights in prop::collection::vec(0_u32..200, 1..12), seed in any::<u64>()) {
        let order = wheel::wheel(&weights, seed);
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        for (index, &weight) in weights.iter().enumerate() {
            let count = order.iter().filter(|&&i| i == index as u32).count() as u64;
            prop_assert_eq!(count * total, u64::from(weight) * order.len() as u64);
        }
    }

    #[test]
    fn what_is_unhealthy_is_not_picked(
        algorithm in algorithms(),
        weights in prop::collection::vec(0_u32..100, 1..8),
        sick in prop::collection::vec(any::<bool>(), 8),
        hashes in prop::collection::vec(any::<u32>(), 20),
    ) {
        let balancer = Balancer::new(&checked(group(algorithm, &weights)), None, Instant::now());
        for index in (0..weights.len()).filter(|&i| sick[i]) {
            balancer.mark(&format!("10.0.0.{}", index + 1), 80, None, false).unwrap();
        }
        let open: Vec<String> =
            (0..weights.len()).filter(|&i| !sick[i] && weights[i] > 0).map(|i| format!("10.0.0.{}", i + 1)).collect();
        for hash in hashes {
            match pick(&balancer, Some(hash)) {
                Ok(picked) => prop_assert!(open.contains(&picked.target().to_string())),
                Err(_) => prop_assert!(open.is_empty()),
            }
        }
    }

    #[test]
    fn a_target_that_goes_moves_little_else(count in 2_usize..20, gone in 0_usize..20) {
        let mut group = group(Algorithm::ConsistentHashing, &vec![10; count]);
        group.slots = 1 << 20;
        let before = Balancer::new(&group, None, Instant::now());
        let name = group.targets.remove(gone % count).name;
        let after = before.rebuild(&group, Instant::now());
        let moved = (0..2000_u32).filter(|value| {
            let hash = Some(hash(&value.to_le_bytes()));
            let old = target_of(&before, hash);
            *old != *name && old != target_of(&after, hash)
        });
        // Only where a point had been pushed aside by another's.
        prop_assert!(moved.count() <= 20);
    }
}
