//! A request on a connection, and the wait for the head of its answer.

use std::{
    future::poll_fn,
    io,
    task::{Poll, ready},
};

use http::StatusCode;

use super::{
    answer::{self, Fields, Head, Malformed},
    asking::{Asking, CutOff},
    connection::Connection,
};
use crate::{early::Early, limits::INTERIM_MAX};

/// Why no answer came over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It ended before an answer began: what came over it was no answer, so that asking again is not asking twice (RFC 9112 section 9.3.1).
    Closed,
    Broken,
}

/// What an answer's head depends on besides its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// The request was HEAD.
    pub(super) bodiless: bool,
    /// It asked for another protocol.
    pub(super) may_switch: bool,
}

/// Sends a request, and waits for the head of its answer, before which not all of the request need have left. Early hints are told to `early`.
pub(super) async fn ask<F: Fields>(
    connection: &mut Connection,
    asking: &mut Asking,
    asked: Asked,
    early: Option<&Early>,
) -> Result<Head<F>, Unanswered> {
    let (mut searched, mut interim) = (0, 0);
    poll_fn(|cx| {
        loop {
            // Where the connection takes no more, the answer may be there all the same: a server need not read what it refuses.
            if let Poll::Ready(Err(CutOff)) = asking.poll(connection.wire(), cx) {
                return Poll::Ready(Err(Unanswered::Broken));
            }
            match answer::head::<F>(connection.input(), &mut searched, asked.bodiless) {
                Err(Malformed) => return Poll::Ready(Err(Unanswered::Broken)),
                Ok(None) => {
                    let begun = interim > 0 || !connection.input().is_empty();
                    match ready!(connection.poll_fill(cx)) {
                        Ok(0) => return Poll::Ready(Err(if begun { Unanswered::Broken } else { Unanswered::Closed })),
                        Err(error) if !begun && is_end(&error) => return Poll::Ready(Err(Unanswered::Closed)),
                        Err(_) => return Poll::Ready(Err(Unanswered::Broken)),
                        Ok(_) => {}
                    }
                }
                Ok(Some(head)) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    // Another protocol that nobody asked for would carry whatever the origin likes past everything that reads HTTP.
                    return Poll::Ready(if asked.may_switch { Ok(head) } else { Err(Unanswered::Broken) });
                }
                Ok(Some(head)) if head.status.is_informational() => {
                    interim += 1;
                    if interim > INTERIM_MAX {
                        return Poll::Ready(Err(Unanswered::Broken));
                    }
                    if let Some(early) = early.filter(|_| head.status == StatusCode::EARLY_HINTS) {
                        early.say(&head.fields.map());
                    }
                }
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
            }
        }
    })
    .await
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}
