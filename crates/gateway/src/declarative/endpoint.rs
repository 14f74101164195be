//! `/config`.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateway_model::declarative::Options;
use serde_json::json;

use super::request::{BadRequest, Request};
use super::{Loader, Refusal};
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
        async move {
            let request = match Request::read(content_type, &body, query) {
                Ok(request) => request,
                Err(BadRequest::NotJson) => return AdminAnswer::message(400, "Cannot parse JSON body"),
                Err(BadRequest::Missing) => {
                    return AdminAnswer::message(400, "expected a declarative configuration");
                }
            };
            drop(body);
            self.answer(request).await
        }
        .boxed()
    }
}

impl Loader {
    async fn answer(&self, request: Request) -> AdminAnswer {
        if request.check_hash && request.config.hash().is_some_and(|hash| hash == *self.hash.lock()) {
            return AdminAnswer::empty(304);
        }
        let options = Options { flatten_errors: request.flatten_errors };
        let (config, hash) = match request.config.read() {
            Ok(read) => read,
            Err(error) => return AdminAnswer::json(400, error.body()),
        };
        match Self::load(self, config, hash, options).await {
            Ok(declared) => AdminAnswer::json_text(201, declared.answer()),
            Err(Refusal::Config(error)) => AdminAnswer::json(400, error.body()),
            Err(Refusal::Store(error)) => error.into(),
        }
    }
}
