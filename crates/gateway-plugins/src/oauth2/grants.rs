//! Codes and tokens that were given out, for all workers of a node without a database.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many codes and how many tokens are kept; beyond, those that end first are forgotten.
const CAPACITY: usize = 200_000;

/// For how many seconds a code counts.
pub(super) const CODE_LIFETIME: i64 = 300;

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The id of the application.
    pub(super) application: Arc<str>,
    /// The service it is for; none for all.
    pub(super) service: Option<Arc<str>>,
    pub(super) user: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    /// Seconds; 0 for ever.
    pub(super) expires_in: i64,
    /// Unix seconds.
    pub(super) created: i64,
    /// When it is forgotten with its refresh token: Unix seconds.
    pub(super) forget: i64,
}

impl Token {
    /// Whether it still gives access.
    pub(super) fn counts(&self, now: i64) -> bool {
        self.expires_in <= 0 || now - self.created <= self.expires_in
    }
}

/// What a user allowed an application, to be exchanged for a token.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) application: Arc<str>,
    pub(super) service: Option<Arc<str>>,
    pub(super) user: Option<String>,
    pub(super) scope: Option<String>,
    /// What the verifier's digest has to be.
    pub(super) challenge: Option<String>,
    /// Unix seconds.
    pub(super) created: i64,
}

/// The node's codes and tokens.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<Given>);

#[derive(Debug, Default)]
struct Given {
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Arc<Token>>,
    /// Refresh token to access token.
    refresh: HashMap<String, String>,
}

impl Grants {
    /// Keeps a code.
    pub(super) fn put_code(&self, text: String, code: Code) {
        let mut given = self.0.lock();
        if given.codes.len() >= CAPACITY {
            let now = code.created;
            given.codes.retain(|_, other| now - other.created < CODE_LIFETIME);
            if given.codes.len() >= CAPACITY {
                given.codes.clear();
            }
        }
        given.codes.insert(text, code);
    }

    /// The code if it still counts.
    pub(super) fn code(&self, text: &str, now: i64) -> Option<Code> {
        self.0.lock().codes.get(text).filter(|code| now - code.created < CODE_LIFETIME).cloned()
    }

    /// Takes a code away; whether it was there. Of several who try at once one succeeds.
    pub(super) fn spend_code(&self, text: &str) -> bool {
        self.0.lock().codes.remove(text).is_some()
    }

    /// Keeps a token.
    pub(super) fn put_token(&self, token: Token) {
        let mut given = self.0.lock();
        if given.tokens.len() >= CAPACITY {
            let now = token.created;
            let mut ends: Vec<i64> = given.tokens.values().map(|token| token.forget).collect();
            let quarter = ends.len() / 4;
            let end = *ends.select_nth_unstable(quarter).1;
            let over: Vec<Arc<Token>> =
                given.tokens.values().filter(|token| token.forget <= now.max(end)).map(Arc::clone).collect();
            for token in over {
                given.remove(&token);
            }
        }
        if let Some(refresh) = &token.refresh {
            given.refresh.insert(refresh.clone(), token.access.clone());
        }
        given.tokens.insert(token.access.clone(), Arc::new(token));
    }

    /// The token with this text, whether or not it still gives access.
    pub(super) fn token(&self, access: &str, now: i64) -> Option<Arc<Token>> {
        self.0.lock().tokens.get(access).filter(|token| token.forget > now).map(Arc::clone)
    }

    /// The token that can be renewed with this text.
    pub(super) fn by_refresh(&self, refresh: &str, now: i64) -> Option<Arc<Token>> {
        let given = self.0.lock();
        given.tokens.get(given.refresh.get(refresh)?).filter(|token| token.forget > now).map(Arc::clone)
    }

    /// Takes a token away; whether it was there. Of several who try at once one succeeds.
    pub(super) fn remove_token(&self, token: &Token) -> bool {
        self.0.lock().remove(token)
    }
}

impl Given {
    fn remove(&mut self, token: &Token) -> bool {
        let removed = self.tokens.remove(&token.access).is_some();
        if let Some(refresh) = &token.refresh
            && self.refresh.get(refresh) == Some(&token.access)
        {
            self.refresh.remove(refresh);
        }
        removed
    }
}
