//! One request on a connection of HTTP/2, which carries others beside it: sent, its interim answers passed on, and given
//! back where its instance says that it has done nothing with it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use hyper::body::Body;
use hyper::http::request::Parts;
use hyper::{Request, Response};

use crate::forward_headers::prepare_interim;
use crate::instance_body::InstanceBody;
use crate::interims::hearer::{Hearer, MOST};
use crate::pool::channel::Share;
use crate::pool::http2_message::as_http2;
use crate::pool::lease::SendError;
use crate::pool::upload::Upload;
use crate::request_body::{ContinueGate, RequestBody};

/// A way for one request.
#[derive(Debug)]
pub(crate) struct Stream {
    share: Share,
    /// The request's body, if it has one.
    upload: Option<Rc<Upload>>,
}

impl Stream {
    pub(crate) fn new(share: Share) -> Self {
        Self { share, upload: None }
    }

    /// Sends a request; what it gives back waits for the head of the answer, and if it is dropped before, the request
    /// is given up.
    pub(crate) fn send(
        &mut self,
        request: Request<RequestBody>,
        hearer: Option<Hearer>,
    ) -> Pin<Box<impl Future<Output = Result<Response<InstanceBody>, SendError>> + use<>>> {
        let sent = self.begin(request, hearer);
        self.upload = sent.as_ref().ok().and_then(|waiting| waiting.upload.clone());
        // In a box: what all requests wait in has no room for what only those to few apps need.
        Box::pin(async move { sent.map_err(|error| *error)?.answer().await })
    }

    fn begin(
        &self,
        request: Request<RequestBody>,
        hearer: Option<Hearer>,
    ) -> Result<Waiting, Box<SendError>> {
        let (head, body) = request.into_parts();
        let (is_whole, gate) = (body.is_end_stream(), body.gate());
        match self.share.sender().send_request(as_http2(head.clone(), is_whole), is_whole) {
            Ok((answer, stream)) => {
                let (body, upload) =
                    if is_whole { (Some(body), None) } else { (None, Some(Upload::new(stream, body))) };
                let spare = Some(Spare { head, body });
                Ok(Waiting { answer, upload, spare, gate, hearer, heard: 0 })
            }
            Err(error) => {
                // The connection has ended since it was chosen, or else h2 takes no such request from anybody.
                let is_gone = error.is_io() || error.reason().is_some();
                let unsent = is_gone.then(|| Request::from_parts(head, body));
                Err(Box::new(SendError::of_http2(&error, unsent)))
            }
        }
    }

    /// Ends what is still being sent. Whoever drops the answer ends that.
    pub(crate) fn cancel(&self) {
        if let Some(upload) = &self.upload {
            upload.cancel();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.leave_alone();
        }
    }
}

/// A request that was sent.
struct Waiting {
    answer: ResponseFuture,
    upload: Option<Rc<Upload>>,
    /// What is needed to give it back. None once there is an answer, of whatever kind.
    spare: Option<Spare>,
    gate: Option<Arc<ContinueGate>>,
    hearer: Option<Hearer>,
    /// Interim answers that were passed on.
    heard: usize,
}

/// A request as it was before it was sent.
struct Spare {
    head: Parts,
    /// The body, unless it is an upload.
    body: Option<RequestBody>,
}

impl Waiting {
    async fn answer(mut self) -> Result<Response<InstanceBody>, SendError> {
        if let Some(upload) = &self.upload {
            poll_fn(|cx| {
                upload.begin(cx);
                Poll::Ready(())
            })
            .await;
        }
        let answered = poll_fn(|cx| self.poll(cx)).await;
        let spare = self.spare.take();
        match answered {
            Ok(answer) => {
                if let Some(upload) = &self.upload {
                    upload.answered();
                }
                Ok(InstanceBody::http2(answer))
            }
            Err(error) => {
                let unsent = spare.filter(|_| is_untouched(&error)).and_then(|spare| self.restored(spare));
                if let Some(upload) = &self.upload {
                    // At once, so that whoever has kept what was sent of the body has the rest as well.
                    upload.cancel();
                }
                Err(SendError::of_http2(&error, unsent))
            }
        }
    }

    /// The request as it was before it was sent, if all of it is still there.
    fn restored(&self, spare: Spare) -> Option<Request<RequestBody>> {
        let body = match &self.upload {
            Some(upload) => upload.take_back(),
            None => spare.body,
        };
        Some(Request::from_parts(spare.head, body?))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, h2::Error>> {
        while let Some(head) = ready!(self.answer.poll_informational(cx)) {
            self.hear(head?);
        }
        Pin::new(&mut self.answer).poll(cx)
    }

    fn hear(&mut self, mut head: Response<()>) {
        match (head.status().as_u16(), &self.gate, &self.hearer) {
            // Who expects a 100 gets it when the body is asked for.
            (100, Some(gate), _) => gate.open(),
            // There is no 101 in HTTP/2 (RFC 9113, section 8.6).
            (102..=199, _, Some(hearer)) if self.heard < MOST => {
                self.heard += 1;
                prepare_interim(head.headers_mut());
                hearer.pass(head);
            }
            _ => {}
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let (Some(_), Some(upload)) = (&self.spare, &self.upload) {
            upload.cancel();
        }
    }
}

/// Whether the instance says that it has done nothing with a request (RFC 9113, sections 6.8 and 8.7).
///
/// h2 tells of a GOAWAY only those requests that came after the last one of which the instance takes notice.
fn is_untouched(error: &h2::Error) -> bool {
    let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    error.is_remote() && (is_refused || error.is_go_away())
}
