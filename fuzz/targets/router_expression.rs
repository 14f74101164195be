//! Expressions of routes: any text is one or is refused with a place inside of it, and what is one can be asked about
//! any request.
#![no_main]

use gateway_router::expression::{Captured, Expression};
use gateway_router::{Headers, Request, path};
use libfuzzer_sys::fuzz_target;

struct Fields<'a>(&'a [u8]);

impl Headers for Fields<'_> {
    fn any(&self, _: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0.split(|byte| *byte == b',').any(visit)
    }
}

fuzz_target!(|data: (&str, &[u8], &[u8])| {
    let (text, target, fields) = data;
    let normal = path::normalize(target);
    assert!(!normal.windows(2).any(|pair| pair == b"//"));
    let mut upstream = Vec::new();
    path::upstream_path(fields, &normal, Some(fields.len()), path::Handling::V0, &mut upstream);
    path::upstream_path(fields, &normal, None, path::Handling::V1, &mut upstream);
    match Expression::parse(text) {
        Err(error) => assert!(error.at <= text.len() && !error.message.is_empty()),
        Ok(expression) => {
            let request = Request {
                method: "GET",
                host: fields,
                path: &normal,
                query: target,
                headers: &Fields(fields),
                tls: fields.len() % 2 == 0,
                sni: None,
                source: "127.0.0.1:9".parse().expect("an address"),
                destination: "[::1]:8000".parse().expect("an address"),
            };
            let mut captured = Captured::default();
            expression.matches(&request, &mut captured);
        }
    }
});
