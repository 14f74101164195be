//! The Admin API alone, over a store in memory or in a file, or without a database (`off`):
//! `admin [ADDRESS [FILE|off]]`.

use std::path::Path;
use std::sync::Arc;

use base::SystemClock;
use gateway::admin::{ConfigEndpoint, NoHealth, Parts, StaticNode, router};
use gateway::dao::Dao;
use gateway::declarative::Loader;
use gateway_model::entities::RouterFlavor;
use gateway_model::registry::Registry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8001".to_owned());
    let clock = Arc::new(SystemClock);
    let file = arguments.next();
    let declarative = file.as_deref() == Some("off");
    let store = match file.filter(|_| !declarative) {
        Some(file) => store::sqlite::open(Path::new(&file), clock.clone()).await?,
        None => store::memory::open(clock.clone()),
    };
    let registry = Registry::new(RouterFlavor::default(), gateway_plugins::schemas());
    let mut dao = Dao::new(store, Arc::new(registry), clock);
    let mut config: Option<Arc<dyn ConfigEndpoint>> = None;
    if declarative {
        dao = dao.read_only();
        config = Some(Arc::new(Loader::new(dao.clone())));
    }
    let parts = Parts {
        dao,
        node: Arc::new(StaticNode::default()),
        health: Arc::new(NoHealth),
        config,
        plugins: None,
        origins: Vec::new(),
    };
    let listener = tokio::net::TcpListener::bind(&address).await?;
    axum::serve(listener, router(parts)).await?;
    Ok(())
}
