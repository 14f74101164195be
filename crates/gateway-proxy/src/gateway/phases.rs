//! Plugins in their phases.

use std::sync::Arc;

use engine::message::ResponseHead;
use smallvec::SmallVec;

use crate::pdk::{Access, Answer, Context, Outcome, RequestBody};
use crate::plan::{Chain, Instance};

/// The plugins a request met, in order. Their later phases run whatever becomes of the request.
pub(super) type Collected<'a> = SmallVec<[&'a Instance; 8]>;

/// Runs the access phases of a chain. After the first answer the rest are only collected.
pub(super) async fn access<'a>(
    chain: &'a Chain,
    context: &mut Context,
    body: &mut dyn RequestBody,
    collected: &mut Collected<'a>,
) -> Option<Box<Answer>> {
    let mut answer = None;
    for slot in &chain.0 {
        let consumer = context.consumer.as_ref().map(|consumer| &*consumer.id);
        let Some(instance) = slot.pick(consumer).filter(|instance| instance.serves(context.client.protocol)) else {
            continue;
        };
        collected.push(instance);
        if answer.is_none() && instance.phases.access {
            answer = match instance.plugin.access(context, body) {
                Access::Continue => None,
                Access::Respond(answer) => Some(answer),
                Access::Wait(verdict) => verdict.await,
            };
            if let Some(answer) = &answer {
                tracing::debug!(plugin = instance.name, status = answer.status, "Plugin answered");
            }
        }
    }
    answer
}

/// The plugins that see a request which no route matched.
pub(super) fn collect_global<'a>(global: &'a [Arc<Instance>], context: &Context) -> Collected<'a> {
    global.iter().map(|instance| &**instance).filter(|instance| instance.serves(context.client.protocol)).collect()
}

/// Whether any plugin looks at the answer's head.
pub(super) fn have_header_filter(collected: &Collected<'_>) -> bool {
    collected.iter().any(|instance| instance.phases.header_filter)
}

/// Runs the header filters.
pub(super) fn header_filter(collected: &Collected<'_>, context: &mut Context, response: &mut ResponseHead) {
    for instance in collected.iter().filter(|instance| instance.phases.header_filter) {
        instance.plugin.header_filter(context, response);
    }
}

/// Whether any plugin looks at the answer's body.
pub(super) fn have_body_filter(collected: &Collected<'_>) -> bool {
    collected.iter().any(|instance| instance.phases.body_filter)
}

/// Runs the body filters on a part of the answer's body.
pub(super) fn body_filter(collected: &Collected<'_>, context: &mut Context, part: &mut Vec<u8>, last: bool) {
    for instance in collected.iter().filter(|instance| instance.phases.body_filter) {
        instance.plugin.body_filter(context, part, last);
    }
}

/// Runs the body filters on the last part of the answer's body. They see its end apart, after what comes with it.
pub(super) fn last_body_filter(collected: &Collected<'_>, context: &mut Context, part: &mut Vec<u8>) {
    if !part.is_empty() {
        body_filter(collected, context, part, false);
    }
    let mut end = Vec::new();
    body_filter(collected, context, &mut end, true);
    part.append(&mut end);
}

/// Whether any plugin logs.
pub(super) fn have_log(collected: &Collected<'_>) -> bool {
    collected.iter().any(|instance| instance.phases.log)
}

/// Runs the log phases.
pub(super) fn log(collected: &Collected<'_>, context: &Context, outcome: &Outcome<'_>) {
    for instance in collected.iter().filter(|instance| instance.phases.log) {
        instance.plugin.log(context, outcome);
    }
}
