use super::*;
use crate::testing::Lab;

fn names(lab: &Lab) -> Names {
    let mut environment = lab.environment();
    environment.route = Some("route-id".into());
    Names::new("ratelimit", &environment)
}

#[test]
fn counters_are_named_as_elsewhere() {
    let names = names(&Lab::new());
    let counter = names.counter(b"127.0.0.1", Period::Minute, 60, None);
    assert_eq!(&*counter.name, "ratelimit:route-id:00000000-0000-0000-0000-000000000000:127.0.0.1:60000:minute");
    assert_eq!((counter.lifetime, counter.ends), (65, 125));
    let counter = names.counter(b"a", Period::Day, 0, Some("video"));
    assert_eq!(&*counter.name, "ratelimit:route-id:00000000-0000-0000-0000-000000000000:a:0000:video:day");
}

#[test]
fn whatever_a_caller_says_the_name_is_short_text_of_its_own() {
    let names = names(&Lab::new());
    let long = [b'a'; 5000];
    let odd: [&[u8]; 5] = [b"a\xff", b"a\xfe", b"a\0", &long, &long[1..]];
    let mut seen = std::collections::HashSet::new();
    for caller in odd {
        let counter = names.counter(caller, Period::Month, 1_767_225_600, Some(&"n".repeat(5000)));
        assert!(counter.name.len() <= 512 && !counter.name.contains('\0'), "{}", counter.name);
        assert!(seen.insert(counter.name));
    }
}
