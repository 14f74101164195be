use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::JwtError;
use crate::random_uuid;

/// How far tokens are backdated, for control planes whose clock is behind.
const CLOCK_SKEW_SECONDS: i64 = 5;

/// A token's content: who it is for, and its own dates and id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims<C> {
    /// What the token says about its bearer.
    #[serde(flatten)]
    pub own: C,
    /// Dates and id.
    #[serde(flatten)]
    pub registered: Registered,
}

impl<C> Claims<C> {
    /// Claims that are good from now on for `valid_for`, with a new id.
    pub fn new(own: C, valid_for: Duration, now: Timestamp) -> Self {
        Self { own, registered: Registered::new(valid_for, now) }
    }
}

/// Which proxies a token lets in; what is empty is not restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DataplaneClaims {
    /// The proxy's name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// The proxy's mesh.
    #[serde(deserialize_with = "null_is_default")]
    pub mesh: String,
    /// For each tag the values a proxy may have.
    #[serde(deserialize_with = "null_is_default")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// `dataplane`, `ingress` or empty.
    #[serde(rename = "Type", deserialize_with = "null_is_default")]
    pub proxy_type: String,
    /// The workload, as the label `kuma.io/workload` names it.
    #[serde(deserialize_with = "null_is_default")]
    pub workload: String,
}

/// What a zone's token is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ZoneClaims {
    /// The zone's name.
    #[serde(deserialize_with = "null_is_default")]
    pub zone: String,
    /// Any of `ingress`, `egress`, `cp`.
    #[serde(deserialize_with = "null_is_default")]
    pub scope: Vec<String>,
}

/// The user that a token stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UserClaims {
    /// The user's name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// The groups that the user is in.
    #[serde(deserialize_with = "null_is_default")]
    pub groups: Vec<String>,
}

/// The claims every token may have. Dates are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Registered {
    /// When the token ends to be good; without it, never.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "numeric_date")]
    pub exp: Option<i64>,
    /// When it begins to be good.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "numeric_date")]
    pub nbf: Option<i64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "numeric_date")]
    pub iat: Option<i64>,
    /// Its id, by which it can be revoked.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub jti: String,
}

impl Registered {
    /// Good from now on for `valid_for`, with a new id.
    pub fn new(valid_for: Duration, now: Timestamp) -> Self {
        let now = now.as_second();
        let valid_for = i64::try_from(valid_for.as_secs()).unwrap_or(i64::MAX);
        Self {
            exp: Some(now.saturating_add(valid_for)),
            nbf: Some(now - CLOCK_SKEW_SECONDS),
            iat: Some(now - CLOCK_SKEW_SECONDS),
            jti: random_uuid(),
        }
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<(), JwtError> {
        let seconds = now.as_second();
        if let Some(exp) = self.exp.filter(|exp| seconds >= *exp) {
            return Err(JwtError::Expired(date(exp)));
        }
        // A token from the future is as little to be trusted as one for the future.
        match self.nbf.max(self.iat).filter(|start| seconds < *start) {
            Some(start) => Err(JwtError::NotYetValid(date(start))),
            None => Ok(()),
        }
    }
}

fn date(seconds: i64) -> Timestamp {
    let far = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(far)
}

/// Go writes an empty list or map as null.
fn null_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Seconds, which RFC 7519 allows to have a fraction.
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    if let Some(seconds) = number.as_i64() {
        return Ok(Some(seconds));
    }
    match number.as_f64() {
        // The conversion cuts off the fraction and cannot overflow within these bounds.
        Some(seconds) if seconds.abs() < 1e15 => Ok(Some(seconds as i64)),
        _ => Err(D::Error::custom("a date is out of range")),
    }
}
