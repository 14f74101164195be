//! Chains of plugins: routes with the same plugins share one, and one that no route uses is gone.

use std::sync::Arc;

use super::Id;
use crate::plan::{Chain, Plugins};
use crate::slots::{Places, Slots};

/// What routes with the same plugins share: the route if plugins are put on it, and the service.
pub(super) type ChainKey = (Option<Id>, Option<Id>);

/// The chains in use.
#[derive(Debug, Default)]
pub(super) struct Chains {
    slots: Slots<ChainKey, Chain>,
    /// Whose each is and how many routes use it, by number. What no route uses has nobody's key.
    users: Vec<(ChainKey, usize)>,
    /// Which was joined last: most routes join the one that the route before joined.
    last: usize,
}

impl Chains {
    /// The number of the chain of `key`, for one more route. It is made of `plugins` if it is not there.
    pub(super) fn join(&mut self, key: ChainKey, plugins: &Plugins) -> u32 {
        match self.users.get_mut(self.last) {
            Some((known, users)) if *users > 0 && *known == key => *users += 1,
            _ => self.last = self.join_other(key, plugins),
        }
        u32::try_from(self.last).expect("there are not more chains than routes")
    }

    fn join_other(&mut self, key: ChainKey, plugins: &Plugins) -> usize {
        if let Some(number) = self.slots.number(&key) {
            self.users[number].1 += 1;
            return number;
        }
        let chain = plugins.chain(key.0.as_ref(), key.1.as_ref());
        let number = self.slots.put(key.clone(), Arc::new(chain));
        if number == self.users.len() {
            self.users.push((key, 1));
        } else {
            self.users[number] = (key, 1);
        }
        number
    }

    /// One route uses this chain no more.
    pub(super) fn leave(&mut self, number: u32) {
        let (key, users) = &mut self.users[number as usize];
        *users -= 1;
        if *users == 0 {
            self.slots.remove(&std::mem::take(key));
        }
    }

    /// Makes those anew that `concerned` says yes to.
    pub(super) fn renew(&mut self, plugins: &Plugins, concerned: impl Fn(&ChainKey) -> bool) {
        let touched: Vec<_> = self.slots.keys().filter(|key| concerned(key)).cloned().collect();
        for key in touched {
            let chain = plugins.chain(key.0.as_ref(), key.1.as_ref());
            self.slots.put(key, Arc::new(chain));
        }
    }

    /// All chains by number.
    pub(super) fn places(&self) -> Places<Chain> {
        self.slots.places()
    }
}
