//! Logging to standard error.

use std::fmt;
use std::io;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// How much is logged, in the words of `--log-level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know too.
    Debug,
}

/// The word is none of `off`, `info`, `debug`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown log level {0:?}, must be one of: off, info, debug")]
pub struct UnknownLevel(String);

/// Logging was set up before.
#[derive(Debug, thiserror::Error)]
#[error("logging is set up already")]
pub struct AlreadySet;

/// Sends the process's log to standard error; `json` writes one object a line. To be called once.
pub fn init(level: LogLevel, json: bool) -> Result<(), AlreadySet> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(level)).with_writer(io::stderr);
    let result = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    result.map_err(|_| AlreadySet)
}

/// Libraries tell at `info` what only their developers want to know.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(match level {
        LogLevel::Off => "off",
        LogLevel::Info => "info,h2=warn,hyper=warn,hyper_util=warn,rustls=warn,sqlx=warn",
        LogLevel::Debug => "debug,h2=info,hyper=info,hyper_util=info,rustls=info,sqlx=info",
    })
}

impl FromStr for LogLevel {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        match text {
            "off" => Ok(Self::Off),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            other => Err(UnknownLevel(other.to_owned())),
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Info => "info",
            Self::Debug => "debug",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_as_they_are_read() {
        for text in ["off", "info", "debug"] {
            assert_eq!(text.parse::<LogLevel>().unwrap().to_string(), text);
        }
        let error = "loud".parse::<LogLevel>().unwrap_err();
        assert_eq!(error.to_string(), "unknown log level \"loud\", must be one of: off, info, debug");
    }

    #[test]
    fn filters_are_understood() {
        for level in [LogLevel::Off, LogLevel::Info, LogLevel::Debug] {
            let expected = tracing_subscriber::filter::LevelFilter::from_str(&level.to_string()).unwrap();
            assert_eq!(filter(level).max_level_hint(), Some(expected), "{level}");
        }
    }
}
