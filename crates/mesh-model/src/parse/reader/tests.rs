use serde_json::json;

use super::*;

/// What `read` makes of `value`, and the problems it notes.
#[expect(clippy::needless_pass_by_value, reason = "cases are written in place")]
fn read<T>(value: Value, read: impl FnOnce(&Cursor<'_, '_>) -> T) -> (T, Vec<String>) {
    let report = Report::default();
    let result = read(&Cursor::root(&value, &report));
    (result, report.into_problems().0.iter().map(ToString::to_string).collect())
}

fn sound<T>(value: Value, reader: impl FnOnce(&Cursor<'_, '_>) -> T) -> T {
    let (result, problems) = read(value, reader);
    assert_eq!(problems, Vec::<String>::new());
    result
}

#[test]
fn numbers_may_be_text_or_have_a_zero_fraction() {
    for number in [json!(7), json!("7"), json!(7.0), json!("7.0"), json!("7e0")] {
        assert_eq!(sound(number, |cursor| cursor.u32()), Some(7));
    }
    assert_eq!(sound(json!("18446744073709551615"), |cursor| cursor.u64()), Some(u64::MAX));
    assert_eq!(sound(json!("12.5"), |cursor| cursor.f64()), Some(12.5));
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    for number in [json!(-1), json!(1.5), json!("1.5"), json!("x"), json!(4_294_967_296_u64), json!("NaN")] {
        let (result, problems) = read(number.clone(), |cursor| cursor.u32());
        assert_eq!((result, problems.len()), (None, 1), "{number}");
    }
    for number in [json!("inf"), json!("NaN"), json!("1e999"), json!([])] {
        assert_eq!(read(number, |cursor| cursor.f64()).1, ["must be a number"]);
    }
}

#[test]
fn durations_are_seconds_or_in_the_longer_notation() {
    let cases = [("10s", 10_000), ("0.2s", 200), ("1m30s", 90_000), ("50ms", 50), ("0s", 0)];
    for (text, millis) in cases {
        assert_eq!(sound(json!(text), |cursor| cursor.duration()), Some(Duration::from_millis(millis)), "{text}");
    }
    for text in ["10", "-1s", "", "s", "1d"] {
        let (duration, problems) = read(json!(text), |cursor| cursor.duration());
        assert_eq!((duration, problems.len()), (None, 1), "{text}");
    }
}

#[test]
fn bytes_are_base64_of_either_alphabet_padded_or_not() {
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        assert_eq!(sound(json!(text), |cursor| cursor.bytes()), Some(vec![0xfb, 0xff]), "{text}");
    }
    assert_eq!(read(json!("a b"), |cursor| cursor.bytes()).1, ["must be base64"]);
}

#[test]
fn choices_are_words_or_their_numbers() {
    let choices = [("ZERO", 0), ("ONE", 1)];
    assert_eq!(sound(json!("ONE"), |cursor| cursor.choice(&choices)), Some(1));
    assert_eq!(sound(json!(0), |cursor| cursor.choice(&choices)), Some(0));
    for wrong in [json!("one"), json!(2), json!(-1), json!(true)] {
        assert_eq!(read(wrong, |cursor| cursor.choice(&choices)).1, ["must be one of: ZERO, ONE"]);
    }
}

#[test]
fn null_is_absent_and_snake_case_is_read() {
    let document = json!({"redirectPort": null, "redirect_port": 5, "other": null});
    let result =
        sound(document, |cursor| cursor.object(|fields| (fields.field("redirectPort").u32(), fields.has("other"))));
    assert_eq!(result, Some((Some(5), false)));
}

#[test]
fn unread_fields_are_reported_with_what_is_known() {
    let (_, problems) = read(json!({"a": {"b": 1, "c": 2}, "d": 3}), |cursor| {
        cursor.object(|fields| fields.field("a").object(|below| below.field("b").u32()))
    });
    assert_eq!(problems, ["a.c: unknown field (known fields: b)", "d: unknown field (known fields: a)"]);
}

#[test]
fn places_are_written_as_users_know_them() {
    let document = json!({"a": [{}, {"b": {"x/\"y": 1}}]});
    let (_, problems) = read(document, |cursor| {
        cursor.object(|fields| {
            fields.field("a").list(|item| {
                item.object(|below| below.field("b").entries(|_, entry| entry.string().map(str::to_owned)))
            })
        })
    });
    assert_eq!(problems, [r#"a[1].b["x/\"y"]: must be a string"#]);
}

#[test]
fn a_problem_is_noted_once_and_there_is_a_limit() {
    let (_, problems) = read(json!(5), |cursor| cursor.text() + &cursor.text());
    assert_eq!(problems, ["must be a string"]);
    let (_, problems) = read(json!(vec![1; 1000]), |cursor| cursor.strings());
    assert_eq!(problems.len(), MAX_PROBLEMS);
}
