//! Measures the store in PostgreSQL on this machine: `cargo run --release -p store --example figures`.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base::SystemClock;
use store::postgres::{Settings, migrate, open};
use store::{Content, Draft, Event, Increment, Key, Op, Store};
use testkit::postgres::{Address, Options, Server};
use tokio::task::JoinSet;

const RECORDS: usize = 100_000;
const SPAN: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::start(Options::default()).await?;
    let database = server.database().await?;
    let settings = settings(database.address());
    migrate(&settings).await?;

    for clients in [1, 8, 64] {
        let store = open_now(&settings).await?;
        println!("{clients} clients, one instance: {:.0} creates/s", creates(&[store], clients).await?);
    }
    let pair = [open_now(&settings).await?, open_now(&settings).await?];
    println!("8 clients, two instances: {:.0} creates/s", creates(&pair, 8).await?);
    latency(&pair).await?;
    drop(pair);

    let store = open_now(&settings).await?;
    println!("8 clients: {:.0} counter calls/s", counters(&store, 8).await?);
    fill(&store).await?;
    drop(store);
    let started = Instant::now();
    let store = open_now(&settings).await?;
    println!("opened with {RECORDS} records in {:?}", started.elapsed());
    drop(store);
    Ok(())
}

async fn open_now(settings: &Settings) -> Result<Store> {
    Ok(open(settings.clone(), Arc::new(SystemClock)).await?)
}

fn create(name: String) -> Vec<Op> {
    let body = format!(r#"{{"name":"{name}","protocol":"http","host":"backend.example","port":80,"retries":5}}"#);
    let mut draft = Draft::new(Key::new("service", "default", name.clone()), body);
    draft.unique = vec![("name".to_owned(), name)];
    vec![Op::Create(draft)]
}

/// Each client creates one record after the other, as clients of an API do.
async fn creates(stores: &[Store], clients: usize) -> Result<f64> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    let run = format!("{:?}", stores[0].watch().await?.next().await.context("no event")?.revision());
    for client in 0..clients {
        let (store, run) = (stores[client % stores.len()].clone(), run.clone());
        tasks.spawn(async move {
            let mut count = 0;
            while started.elapsed() < SPAN {
                store.commit(create(format!("{run}-{client}-{count}"))).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut total = 0;
    while let Some(count) = tasks.join_next().await {
        total += count??;
    }
    Ok(f64::from(total) / started.elapsed().as_secs_f64())
}

/// From the answer at one instance to the event at the other.
async fn latency(pair: &[Store; 2]) -> Result<()> {
    let mut watch = pair[1].watch().await?;
    watch.next().await;
    let mut times = Vec::new();
    for n in 0..300 {
        let committed = pair[0].commit(create(format!("latency-{n}"))).await?;
        let answered = Instant::now();
        while let Some(event) = watch.next().await {
            if matches!(&event, Event::Changes(seen) if seen.revision >= committed.revision) {
                break;
            }
        }
        times.push(answered.elapsed());
    }
    times.sort_unstable();
    println!("another instance sees a commit after {:?} (median), {:?} (99 %)", times[150], times[297]);
    Ok(())
}

async fn counters(store: &Store, clients: usize) -> Result<f64> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for _ in 0..clients {
        let store = store.clone();
        tasks.spawn(async move {
            let mut count = 0;
            let expires = jiff::Timestamp::MAX;
            while started.elapsed() < SPAN {
                store.add(vec![Increment { key: "consumer".into(), by: 1, expires }]).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut total = 0;
    while let Some(count) = tasks.join_next().await {
        total += count??;
    }
    Ok(f64::from(total) / started.elapsed().as_secs_f64())
}

async fn fill(store: &Store) -> Result<()> {
    let started = Instant::now();
    let drafts = (0..RECORDS).flat_map(|n| create(format!("many-{n}")));
    let drafts = drafts.filter_map(|op| if let Op::Create(draft) = op { Some(draft) } else { None }).collect();
    store.commit(vec![Op::Replace(Content { collections: vec!["service".into()], drafts })]).await?;
    println!("{RECORDS} records in one transaction: {:?}", started.elapsed());
    Ok(())
}

fn settings(address: &Address) -> Settings {
    let plain = Settings::plain(&address.host, address.port, &address.user, &address.password, &address.database);
    Settings { commit_timeout: Duration::from_secs(60), ..plain }
}
