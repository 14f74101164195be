//! One certificate authority of a mesh.

use std::time::Duration;

use crate::mesh::{CaBackend, CaSource, DataSource, TlsMode};
use crate::parse::policy::data_source;
use crate::parse::reader::{Cursor, Object};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const YEAR: Duration = Duration::from_secs(365 * DAY.as_secs());

/// A builtin authority of that name with the lifetimes that apply when none are given.
pub(super) fn defaults(name: &str) -> CaBackend {
    CaBackend {
        name: name.to_owned(),
        source: CaSource::Builtin,
        mode: TlsMode::Strict,
        leaf_lifetime: DAY,
        root_lifetime: YEAR * 10,
    }
}

pub(super) fn read(backend: &Object<'_, '_>) -> CaBackend {
    let mut result = defaults(&backend.field("name").required());
    if let Some(mode) =
        backend.field("mode").choice(&[("STRICT", TlsMode::Strict), ("PERMISSIVE", TlsMode::Permissive)])
    {
        result.mode = mode;
    }
    backend.field("dpCert").object(|dp_cert| {
        dp_cert.field("requestTimeout").duration();
        dp_cert.field("rotation").object(|rotation| {
            if let Some(lifetime) = lifetime(&rotation.field("expiration")) {
                result.leaf_lifetime = lifetime;
            }
        });
    });
    backend.field("rootChain").object(|chain| chain.field("requestTimeout").duration());
    let kind = backend.field("type");
    let conf = backend.field("conf");
    match kind.string() {
        Some("builtin") => {
            conf.object(|conf| builtin(conf, &mut result));
        }
        Some("provided") => {
            result.source = conf.object(provided).unwrap_or_else(|| {
                conf.problem_at("cert", "has to be defined");
                conf.problem_at("key", "has to be defined");
                CaSource::Builtin
            });
        }
        _ => kind.problem("unknown backend type. Available backends: \"builtin\", \"provided\""),
    }
    result
}

fn builtin(conf: &Object<'_, '_>, backend: &mut CaBackend) {
    conf.field("caCert").object(|cert| {
        let bits = cert.field("RSAbits");
        if bits.u32().is_some_and(|bits| !(2048..=8192).contains(&bits)) {
            bits.problem("must be in inclusive range [2048, 8192]");
        }
        if let Some(lifetime) = lifetime(&cert.field("expiration")) {
            backend.root_lifetime = lifetime;
        }
    });
}

fn provided(conf: &Object<'_, '_>) -> CaSource {
    let read = |name| {
        let field = conf.field(name);
        if !field.is_present() {
            field.problem("has to be defined");
        }
        data_source(&field).unwrap_or(DataSource::InlineString(String::new()))
    };
    CaSource::Provided { cert: read("cert"), key: read("key") }
}

/// A lifetime as one number and one unit, days, weeks and years among them: `1d`, `10y`, `500ms`.
fn lifetime(field: &Cursor<'_, '_>) -> Option<Duration> {
    let text = field.filled()?;
    let lifetime = parse_lifetime(&text);
    if lifetime.is_none() {
        field.problem("has to be a valid format");
    }
    lifetime.filter(|lifetime| !lifetime.is_zero())
}

fn parse_lifetime(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u32 = number.parse().ok()?;
    let unit = match unit {
        "y" => YEAR,
        "w" => DAY * 7,
        "d" => DAY,
        "h" => Duration::from_secs(60 * 60),
        "m" => Duration::from_secs(60),
        "s" => Duration::from_secs(1),
        "ms" => Duration::from_millis(1),
        "" if number == 0 => Duration::ZERO,
        _ => return None,
    };
    // Certificates end before the year 10000.
    unit.checked_mul(number).filter(|lifetime| *lifetime <= YEAR * 1000)
}
