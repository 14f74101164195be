//! Whether a text is Lua.

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, StdLib};

thread_local! {
    /// A state that compiles and never runs anything.
    static COMPILER: Lua = Lua::new_with(StdLib::NONE, LuaOptions::default())
        .expect("a state without libraries needs nothing that may be missing");
}

/// Compiles `code`. The error is the compiler's, with the line.
pub(super) fn check(code: &str) -> Result<(), String> {
    if code.starts_with('\u{1b}') {
        // Bytecode is not verified by anything, so it is never loaded.
        return Err("(binary): cannot load incompatible bytecode".to_owned());
    }
    COMPILER.with(|lua| {
        let compiled: mlua::Result<Function> = lua.load(code).set_name(code).set_mode(ChunkMode::Text).into_function();
        compiled.map(drop).map_err(|error| message(&error))
    })
}

/// What Lua itself said.
pub(super) fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => message.clone(),
        mlua::Error::MemoryError(message) => message.clone(),
        mlua::Error::CallbackError { cause, .. } => message_of(cause),
        other => other.to_string(),
    }
}

fn message_of(cause: &std::sync::Arc<mlua::Error>) -> String {
    message(cause)
}
