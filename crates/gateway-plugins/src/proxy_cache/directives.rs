//! `Cache-Control`, and how long an answer is fresh.

use gateway_proxy::pdk::Headers;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// What `Cache-Control` says, all fields together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    pub(super) only_if_cached: bool,
    pub(super) max_age: Option<f64>,
    pub(super) s_maxage: Option<f64>,
    pub(super) max_stale: Option<f64>,
    pub(super) min_fresh: Option<f64>,
}

impl Directives {
    /// Reads the fields. Of a directive that is there twice the last counts; one that needs a number and has none does
    /// not.
    pub(super) fn of(headers: &Headers) -> Self {
        let mut said = Self::default();
        let lines = headers.get_all("cache-control").filter_map(|line| std::str::from_utf8(line).ok());
        for directive in lines.flat_map(|line| line.split(',')) {
            let (name, value) = match directive.split_once('=') {
                Some((name, value)) => (name.trim(), value.trim().trim_matches('"').parse::<f64>().ok()),
                None => (directive.trim(), None),
            };
            let value = value.filter(|seconds| seconds.is_finite());
            match name.to_ascii_lowercase().as_str() {
                "no-store" => said.no_store = true,
                "no-cache" => said.no_cache = true,
                "private" => said.private = true,
                "only-if-cached" => said.only_if_cached = true,
                "max-age" => said.max_age = value,
                "s-maxage" => said.s_maxage = value,
                "max-stale" => said.max_stale = value,
                "min-fresh" => said.min_fresh = value,
                _ => {}
            }
        }
        said
    }

    /// For how many seconds an answer that says this is fresh; 0 when it does not say. `now` is in Unix seconds.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    pub(super) fn freshness(&self, headers: &Headers, now: i64) -> f64 {
        let expires = || Some((expires(headers)? - now) as f64);
        self.s_maxage.or(self.max_age).or_else(expires).unwrap_or(0.0).max(0.0)
    }
}

/// The last `Expires`.
fn expires(headers: &Headers) -> Option<i64> {
    let text = std::str::from_utf8(headers.get_all("expires").last()?).ok()?;
    let time = strtime::parse("%a, %d %b %Y %H:%M:%S GMT", text.trim()).ok()?.to_datetime().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn freshness_is_of_the_most_specific_directive() {
        let fresh = |control: &str, expires: &str| {
            let headers = headers(&[("Cache-Control", control), ("Expires", expires)]);
            Directives::of(&headers).freshness(&headers, 978_307_190)
        };
        const TEN_LATER: &str = "Mon, 01 Jan 2001 00:00:00 GMT";
        assert_eq!(fresh("public, max-age=60, s-maxage=0", TEN_LATER), 0.0);
        assert_eq!(fresh("Max-Age=\"60\"", TEN_LATER), 60.0);
        assert_eq!(fresh("public", TEN_LATER), 10.0);
        assert_eq!(fresh("max-age=x", "0"), 0.0);
        assert_eq!(fresh("max-age=-5", TEN_LATER), 0.0);
    }
}
