//! Time as text.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::Host;

pub(super) fn offer(host: &Host<'_>) -> mlua::Result<()> {
    host.add("now", |_, frame, ()| {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
        Ok(frame.context.now_ms() as f64 / 1000.0)
    })?;
    host.add_pure("format_time", |_, (format, seconds): (String, f64)| {
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and then is no time")]
        let time = Timestamp::from_second(seconds as i64).ok();
        Ok(time.and_then(|time| strtime::format(&format, &time.to_zoned(TimeZone::UTC)).ok()))
    })?;
    host.add_pure("parse_http_time", |_, text: String| {
        let time = strtime::parse("%a, %d %b %Y %H:%M:%S GMT", text.trim()).and_then(|time| time.to_datetime());
        let time = time.and_then(|time| time.to_zoned(TimeZone::UTC));
        Ok(time.ok().map(|time| time.timestamp().as_second()))
    })
}
