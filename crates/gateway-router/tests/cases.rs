//! Tables of routes and what requests find in them, from `cases.txt`.

use std::sync::Arc;

use gateway_router::{Flavor, Headers, Request, RouteSpec, Router, same_name};

struct Fields(Vec<(String, String)>);

impl Headers for Fields {
    fn any(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0.iter().any(|(key, value)| same_name(key.as_bytes(), name.as_bytes()) && visit(value.as_bytes()))
    }
}

fn pairs(words: &[&str]) -> Vec<(String, String)> {
    let pair = |word: &&str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    words.iter().map(|word| pair(word).expect("a name and a value")).collect()
}

fn spec(flavor: Flavor, number: u128, rest: &str) -> RouteSpec {
    let id = Arc::from(uuid::Uuid::from_u128(number).to_string());
    if flavor == Flavor::Expressions {
        return RouteSpec { id, expression: Some(rest.into()), ..RouteSpec::default() };
    }
    let words: Vec<&str> = rest.split(' ').collect();
    let list = |word: &str| if word == "-" { vec![] } else { vec![Arc::from(word)] };
    let headers = pairs(&words[2..]).into_iter().map(|(name, value)| (name.into(), vec![value.into()])).collect();
    RouteSpec { id, hosts: list(words[0]), paths: list(words[1]).into(), headers, ..RouteSpec::default() }
}

fn answer(router: &Router<String>, call: &str) -> String {
    let words: Vec<&str> = call.split(' ').collect();
    let request = Request {
        method: "GET",
        host: words[0].as_bytes(),
        path: words[1].as_bytes(),
        query: b"",
        headers: &Fields(pairs(&words[2..])),
        tls: false,
        sni: None,
        source: "127.0.0.1:9".parse().expect("an address"),
        destination: "127.0.0.1:8000".parse().expect("an address"),
    };
    router.find(&request).map_or("none".to_owned(), |found| {
        let length = found.captured.path.map_or("-".to_owned(), |length| length.to_string());
        format!("{} {length}", found.payload)
    })
}

#[test]
fn requests_find_their_routes() {
    let mut asked = 0;
    for table in include_str!("cases.txt").split("\n\n").skip(1) {
        let mut lines = table.lines();
        let flavor = match lines.next() {
            Some("traditional") => Flavor::Traditional,
            Some("expressions") => Flavor::Expressions,
            _ => Flavor::TraditionalCompatible,
        };
        let mut router = Router::new(flavor);
        for (number, line) in lines.enumerate() {
            if let Some((name, rest)) = line.strip_prefix("route ").and_then(|rest| rest.split_once(' ')) {
                let mut edit = router.edit();
                edit.put(spec(flavor, number as u128, rest), name.to_owned()).expect(line);
                router = edit.finish();
                continue;
            }
            let (call, expected) = line.strip_prefix("get ").and_then(|call| call.split_once(" -> ")).expect(line);
            assert_eq!(answer(&router, call), expected, "{table}\n{line}");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
}
