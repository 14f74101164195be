//! The Admin API alone, over a store in memory or in a file: `admin [ADDRESS [FILE]]`.

use std::path::Path;
use std::sync::Arc;

use base::SystemClock;
use gateway::admin::{NoHealth, Parts, StaticNode, router};
use gateway::dao::Dao;
use gateway_model::entities::RouterFlavor;
use gateway_model::registry::Registry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8001".to_owned());
    let clock = Arc::new(SystemClock);
    let store = match arguments.next() {
        Some(file) => store::sqlite::open(Path::new(&file), clock.clone()).await?,
        None => store::memory::open(clock.clone()),
    };
    let registry = Registry::new(RouterFlavor::default(), gateway_plugins::schemas());
    let parts = Parts {
        dao: Dao::new(store, Arc::new(registry), clock),
        node: Arc::new(StaticNode::default()),
        health: Arc::new(NoHealth),
        config: None,
        plugins: None,
        origins: Vec::new(),
    };
    let listener = tokio::net::TcpListener::bind(&address).await?;
    axum::serve(listener, router(parts)).await?;
    Ok(())
}
