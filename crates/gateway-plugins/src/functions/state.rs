//! The Lua state of a worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaString, StdLib, Table, Value, VmState};

use super::host;

/// Bytes that all code of a worker has together.
const MEMORY: usize = 64 << 20;

/// Instructions a phase of one plugin may take: some tenths of a second.
const INSTRUCTIONS: u32 = 20_000_000;

/// How often they are counted.
const EVERY: u32 = 10_000;

thread_local! {
    static STATE: RefCell<Option<Rc<State>>> = const { RefCell::new(None) };
    static SPENT: Cell<u32> = const { Cell::new(0) };
}

/// Names the code of one phase of one plugin, for as long as the plugin lives.
#[derive(Debug)]
pub(super) struct Codes(pub(super) Vec<Box<str>>);

pub(super) struct State {
    pub(super) lua: Lua,
    prepare: Function,
    pub(super) run: Function,
    /// What a coroutine yields when it waits for the request's body.
    read_body: Table,
    prepared: RefCell<HashMap<usize, (Weak<Codes>, Table)>>,
}

impl State {
    /// The state of this worker, made when first asked for.
    pub(super) fn of_worker() -> mlua::Result<Rc<Self>> {
        STATE.with_borrow_mut(|state| match state {
            Some(state) => Ok(Rc::clone(state)),
            None => Ok(Rc::clone(state.insert(Rc::new(Self::new()?)))),
        })
    }

    fn new() -> mlua::Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS | StdLib::BIT | StdLib::JIT;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        // Compiled code calls no hooks, and so could not be stopped.
        lua.load("jit.off() jit = nil string.dump = nil").exec()?;
        let host = host::table(&lua)?;
        host.set("load", lua.create_function(|lua, code: LuaString| load(lua, &code.as_bytes()))?)?;
        host.set("expired", lua.create_function(|_, ()| Ok(expired()))?)?;
        let (kong, ngx) = (lua.create_table()?, lua.create_table()?);
        let part = |name: &str, code: &str| lua.load(code).set_name(format!("={name}")).into_function();
        let util: Table = part("common", include_str!("lua/common.lua"))?.call(&host)?;
        for (name, code) in [
            ("request", include_str!("lua/request.lua")),
            ("response", include_str!("lua/response.lua")),
            ("service", include_str!("lua/service.lua")),
        ] {
            part(name, code)?.call::<()>((&host, &util, &kong))?;
        }
        part("ngx", include_str!("lua/ngx.lua"))?.call::<()>((&host, &util, &ngx, Value::NULL))?;
        let sandbox: Table = part("sandbox", include_str!("lua/sandbox.lua"))?.call((&host, &util, &kong, &ngx))?;
        lua.set_memory_limit(MEMORY)?;
        lua.set_global_hook(HookTriggers::new().every_nth_instruction(EVERY), |_, _| {
            SPENT.set(SPENT.get().saturating_add(EVERY));
            if expired() {
                return Err(mlua::Error::RuntimeError(format!("stopped after {INSTRUCTIONS} instructions")));
            }
            Ok(VmState::Continue)
        })?;
        Ok(Self {
            prepare: sandbox.get("prepare")?,
            run: sandbox.get("run")?,
            read_body: util.get("READ_BODY")?,
            prepared: RefCell::default(),
            lua,
        })
    }

    /// The code of a phase, compiled when this worker first needs it.
    pub(super) fn prepared(&self, codes: &Arc<Codes>) -> mlua::Result<Table> {
        let key = Arc::as_ptr(codes) as usize;
        if let Some((weak, slots)) = self.prepared.borrow().get(&key)
            && weak.strong_count() > 0
        {
            return Ok(slots.clone());
        }
        let texts = self.lua.create_sequence_from(codes.0.iter().map(|code| &**code))?;
        let (slots, error): (Option<Table>, Option<String>) = self.prepare.call(texts)?;
        let slots = slots.ok_or_else(|| mlua::Error::RuntimeError(error.unwrap_or_default()))?;
        let mut prepared = self.prepared.borrow_mut();
        prepared.retain(|_, (weak, _)| weak.strong_count() > 0);
        prepared.insert(key, (Arc::downgrade(codes), slots.clone()));
        Ok(slots)
    }

    /// Whether a coroutine that yielded this waits for the request's body.
    pub(super) fn waits_for_body(&self, yielded: &Value) -> bool {
        matches!(yielded, Value::Table(table) if *table == self.read_body)
    }
}

/// Gives the code that runs next its whole time.
pub(super) fn wind_up() {
    SPENT.set(0);
}

fn expired() -> bool {
    SPENT.get() > INSTRUCTIONS
}

/// Compiles a text; nothing and the reason when it is no Lua.
fn load(lua: &Lua, code: &[u8]) -> mlua::Result<(Option<Function>, Option<String>)> {
    let name = String::from_utf8_lossy(code).into_owned();
    match lua.load(code).set_name(name).set_mode(ChunkMode::Text).into_function() {
        Ok(function) => Ok((Some(function), None)),
        Err(error) => Ok((None, Some(super::syntax::message(&error)))),
    }
}
