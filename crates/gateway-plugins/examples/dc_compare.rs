use gateway_model::{declarative::*, entities::RouterFlavor, registry::Registry, schema::Source};
use std::io::BufRead;
struct S(u64);
impl Source for S {
    fn now_ms(&mut self) -> u64 {
        1795196892000
    }
    fn random(&mut self, b: &mut [u8]) {
        for x in b {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *x = (self.0 >> 33) as u8;
        }
    }
}
fn main() {
    let reg = Registry::new(RouterFlavor::TraditionalCompatible, gateway_plugins::schemas());
    if let Some(n) = std::env::args().nth(1) {
        let n: usize = n.parse().unwrap();
        let mut cfg = String::from(
            "{\"_format_version\":\"3.0\",\"services\":[{\"name\":\"s\",\"url\":\"http://127.0.0.1:1\"}],\"routes\":[",
        );
        for i in 0..n {
            if i > 0 {
                cfg.push(',')
            }
            cfg.push_str(&format!("{{\"name\":\"r{i}\",\"paths\":[\"/a/{i}\"],\"service\":\"s\"}}"));
        }
        cfg.push_str("]}");
        for _ in 0..3 {
            let t = std::time::Instant::now();
            let v = read_text(&cfg).unwrap();
            let t1 = t.elapsed();
            let d = parse(&reg, v, Options::default(), &mut S(1)).unwrap();
            let t2 = t.elapsed();
            let a = d.answer();
            println!(
                "{n}: read {t1:?} parse {t2:?} answer {:?} {} bytes hash {}",
                t.elapsed(),
                a.len(),
                d.entities.len()
            );
        }
        return;
    }
    for l in std::io::stdin().lock().lines() {
        let l = l.unwrap();
        let v: serde_json::Value = serde_json::from_str(&l).unwrap();
        let r = match v.get("text").and_then(|t| t.as_str()) {
            Some(t) => read_text(t),
            None => Ok(v["table"].as_object().unwrap().clone()),
        };
        let out = r.and_then(|m| parse(&reg, m, Options { flatten_errors: v["flat"].as_bool().unwrap() }, &mut S(1)));
        match out {
            Ok(d) => println!("{{\"id\":{},\"status\":201,\"body\":{}}}", v["id"], d.answer()),
            Err(e) => println!("{{\"id\":{},\"status\":400,\"body\":{}}}", v["id"], e.body()),
        }
    }
}
