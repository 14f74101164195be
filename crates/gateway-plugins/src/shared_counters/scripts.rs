//! What is asked of a Redis server: each script is one step for everybody who counts there.

use std::sync::LazyLock;

use redis::{Script, ScriptInvocation};

use super::Counter;

/// For each key its limit and lifetime. Answers whether all were below their limits (1 or 0), then what each had come to
/// before.
static ADMIT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local answer = {1}
        for i, value in ipairs(redis.call('MGET', unpack(KEYS))) do
            local count = value and tonumber(value) or 0
            answer[i + 1] = count
            if count >= tonumber(ARGV[2 * i - 1]) then answer[1] = 0 end
        end
        if answer[1] == 1 then
            for i, key in ipairs(KEYS) do
                redis.call('INCR', key)
                if redis.call('TTL', key) < 0 then redis.call('EXPIRE', key, ARGV[2 * i]) end
            end
        end
        return answer",
    )
});

/// Answers what each key has come to, if it is there.
static READ: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('MGET', unpack(KEYS))"));

/// For each key what to add, and its lifetime. Answers what each has come to.
static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local answer = {}
        for i, key in ipairs(KEYS) do
            answer[i] = redis.call('INCRBYFLOAT', key, ARGV[2 * i - 1])
            if redis.call('TTL', key) < 0 then redis.call('EXPIRE', key, ARGV[2 * i]) end
        end
        return answer",
    )
});

pub(super) fn admit(counters: &[Counter], limits: &[f64]) -> ScriptInvocation<'static> {
    let mut script = ADMIT.prepare_invoke();
    for (counter, limit) in counters.iter().zip(limits) {
        script.key(&*counter.name).arg(*limit).arg(counter.lifetime);
    }
    script
}

pub(super) fn read(counters: &[Counter]) -> ScriptInvocation<'static> {
    let mut script = READ.prepare_invoke();
    for counter in counters {
        script.key(&*counter.name);
    }
    script
}

pub(super) fn add(additions: &[(Counter, f64)]) -> ScriptInvocation<'static> {
    let mut script = ADD.prepare_invoke();
    for (counter, amount) in additions {
        script.key(&*counter.name).arg(*amount).arg(counter.lifetime);
    }
    script
}
