//! An answer that is compressed, or kept for a slow client, on its way from an instance.
//!
//! The instance's side ends when the instance has given everything, and the client's side when the client has got
//! it: what the log says of the request is the client's side, so that its record is held here.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::body::{BodyError, ResponseBody, UpstreamBody};
use crate::client_stream::ConnectionFlags;
use crate::compression::encoder::Encoder;
use crate::exchange::Exchange;
use crate::fault::Fault;
use crate::progress::Progress;
use crate::spool::Spool;
use crate::treatment::Treatment;

/// The answer.
#[derive(Debug)]
pub(crate) struct Delivery {
    source: Source,
    encoder: Option<Encoder>,
    exchange: Exchange,
    progress: Rc<Progress>,
    flags: Arc<ConnectionFlags>,
    /// Bytes that are still to come, where that is known.
    left: Option<u64>,
    ended: bool,
}

#[derive(Debug)]
enum Source {
    Instance(Box<UpstreamBody>),
    Kept(Spool),
}

impl Delivery {
    pub(crate) fn new(mut body: UpstreamBody, treatment: Treatment) -> Self {
        let (exchange, progress) = (body.exchange.hand_over(), Rc::clone(&body.progress));
        let flags = Arc::clone(&body.flags);
        let left = body.incoming.size_hint().exact().filter(|_| treatment.coding.is_none());
        let encoder = treatment.coding.map(Encoder::new).transpose();
        let source = match treatment.keeping {
            Some(limits) => {
                // The end of the instance's side says nothing about the client's connection.
                body.flags = Arc::default();
                Source::Kept(Spool::take(ResponseBody::upstream(body), limits))
            }
            None => Source::Instance(Box::new(body)),
        };
        let mut delivery = Self { source, encoder: None, exchange, progress, flags, left, ended: false };
        match encoder {
            Ok(encoder) => delivery.encoder = encoder,
            Err(error) => {
                tracing::error!(%error, "cannot compress an answer");
                delivery.progress.set_answer_fault(Fault::Internal);
                delivery.source = Source::Kept(Spool::of_error(error.into()));
            }
        }
        delivery
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let source = &mut self.source;
        let mut plain = |cx: &mut Context<'_>| match source {
            Source::Instance(body) => body.poll_frame(cx),
            Source::Kept(spool) => spool.poll_frame(cx),
        };
        match &mut self.encoder {
            Some(encoder) => encoder.poll_frame(cx, plain),
            None => plain(cx),
        }
    }
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = this.poll(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(None) => this.ended = true,
            Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                Some(data) => {
                    let length = data.len() as u64;
                    this.exchange.add_bytes(length);
                    this.left = this.left.map(|left| left.saturating_sub(length));
                }
                None => this.ended = true,
            },
            Poll::Ready(Some(Err(_))) => {
                this.exchange.set_fault(this.progress.answer_fault().unwrap_or(Fault::Internal));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match (&self.encoder, &self.source) {
            (Some(encoder), _) => encoder.is_finished(),
            (None, Source::Instance(body)) => body.incoming.is_end_stream(),
            (None, Source::Kept(spool)) => spool.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.ended || self.left == Some(0) || self.is_end_stream() {
            self.flags.reset.store(false, Ordering::Relaxed);
        } else {
            // The first fault stays: if there was none on the way, it is the client that went away.
            self.exchange.set_fault(Fault::ClientGone);
        }
    }
}
