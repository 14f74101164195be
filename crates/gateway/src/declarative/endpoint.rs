//! `/config`.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateway_model::declarative::Options;
use serde_json::json;

use super::request::{BadRequest, Request};
use super::{Loader, Refusal, aside};
use crate::admin::{AdminAnswer, ConfigEndpoint};

impl ConfigEndpoint for Loader {
    fn current(&self) -> BoxFuture<'_, AdminAnswer> {
        async {
            match self.export().await {
                Ok(text) => AdminAnswer::json(200, json!({ "config": text })),
                Err(error) => {
                    tracing::error!(%error, "The configuration could not be read");
                    AdminAnswer::message(500, "An unexpected error occurred")
                }
            }
        }
        .boxed()
    }

    fn load<'a>(
        &'a self,
        content_type: Option<&'a str>,
        body: Bytes,
        query: &'a [(String, String)],
    ) -> BoxFuture<'a, AdminAnswer> {
        let (content_type, query) = (content_type.map(str::to_owned), query.to_owned());
        async move {
            let bytes = body.len();
            let registry = Arc::clone(self.dao.registry());
            let read = aside(bytes, move || Request::read(&registry, content_type.as_deref(), &body, &query));
            match read.await {
                Some(Ok(request)) => self.answer(request, bytes).await,
                Some(Err(BadRequest::NotJson)) => AdminAnswer::message(400, "Cannot parse JSON body"),
                Some(Err(BadRequest::Missing)) => AdminAnswer::message(400, "expected a declarative configuration"),
                None => cut_short(),
            }
        }
        .boxed()
    }
}

impl Loader {
    async fn answer(&self, request: Request, bytes: usize) -> AdminAnswer {
        if request.check_hash && request.config.hash().is_some_and(|hash| hash == *self.hash.lock()) {
            return AdminAnswer::empty(304);
        }
        let options = Options { flatten_errors: request.flatten_errors };
        let config = request.config;
        let (config, hash) = match aside(bytes, move || config.read()).await {
            Some(Ok(read)) => read,
            Some(Err(error)) => return AdminAnswer::json(400, error.body()),
            None => return cut_short(),
        };
        match Self::load(self, (config, hash), options, (bytes, request.pace)).await {
            Ok((declared, mut rim)) => match aside(bytes, move || declared.into_answer(&mut rim)).await {
                Some(mut answer) => AdminAnswer::json_parts(201, answer.length(), move |size| answer.part(size)),
                None => cut_short(),
            },
            Err(Refusal::Config(error)) => AdminAnswer::json(400, error.body()),
            Err(Refusal::Store(error)) => error.into(),
        }
    }
}

fn cut_short() -> AdminAnswer {
    AdminAnswer::message(500, "An unexpected error occurred")
}
