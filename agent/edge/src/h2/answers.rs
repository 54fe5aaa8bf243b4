//! What answers the requests of one connection of HTTP/2: plain hits at once, as the express lane decides; everything else the usual way.

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, rt::Executor, service::Service};

use crate::{
    body::{Metered, Payload},
    edge::Edge,
    express::{
        Turn,
        lane::{Lane, Way},
    },
    request::{Line, Peer, answer},
    respond,
    uplink::head_bytes,
};

type Answered = Result<Response<Metered>, Infallible>;

/// The service of one connection.
pub(crate) struct Answers {
    edge: Arc<Edge>,
    line: Line,
    lane: Mutex<Lane>,
}

impl Answers {
    pub(crate) fn new(edge: Arc<Edge>, peer: Peer) -> Self {
        let line = Line::new(peer);
        let lane = Mutex::new(Lane::new(Arc::clone(&edge), peer, Arc::clone(&line.early)));
        Self { edge, line, lane }
    }
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Metered>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let (parts, body) = request.into_parts();
        let make = |stored: &Arc<_>, now: overspill_governance::time::Now| {
            let response = respond::whole(stored, now.time);
            let length = head_bytes(response.headers());
            (response, length)
        };
        let plain = body.is_end_stream().then(|| {
            let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
            lane.answer_parts(&parts, make)
        });
        let Some((way, account)) = plain.flatten() else {
            return Answering::Later(Box::pin(answer(Request::from_parts(parts, body), self.line.clone(), Arc::clone(&self.edge))));
        };
        let meter = |payload| Metered::new(payload, Arc::clone(&self.edge), account, Turn::of(Arc::clone(&self.line.turns)));
        match way {
            Way::Spilled(redirect) => Answering::Now(Some(redirect.response().map(Payload::whole).map(meter))),
            Way::Made(response) => Answering::Now(Some(response.map(Payload::whole).map(meter))),
            Way::Stored(response, pause) if pause.is_zero() => Answering::Now(Some(response.map(meter))),
            Way::Stored(response, pause) => {
                let response = response.map(meter);
                Answering::Later(Box::pin(async move {
                    tokio::time::sleep(pause).await;
                    Ok(response)
                }))
            }
        }
    }
}

/// An answer that is there, or will be.
#[expect(clippy::large_enum_variant, reason = "most are there, and a box for each would cost more than it saves")]
pub(crate) enum Answering {
    Now(Option<Response<Metered>>),
    Later(Pin<Box<dyn Future<Output = Answered> + Send>>),
}

impl Future for Answering {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        match &mut *self {
            Self::Now(response) => response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response))),
            Self::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

/// Runs what answers a request, as far as it comes without waiting, where it is asked for; only what has to wait becomes a task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtOnce;

impl<F: Future<Output = ()> + Send + Unpin + 'static> Executor<F> for AtOnce {
    fn execute(&self, mut future: F) {
        // Whoever is woken by this poll is nobody: a new task polls again, and leaves its own waker.
        if pin!(&mut future).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(future);
        }
    }
}
