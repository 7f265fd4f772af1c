//! Compresses a body on its way: as much as there is, and never so that something waits in the encoder for more.

use std::fmt;
use std::io::{self, Write};
use std::task::{Context, Poll};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Frame;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::body::BodyError;
use crate::compression::Coding;

/// Levels at which the three compress about as well, at the speed of a network.
const GZIP_LEVEL: u32 = 5;
const BROTLI_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;
/// The window, as a power of two: half a mebibyte, which bounds what one answer takes of memory.
const WINDOW: u32 = 19;
/// What is compressed at once, and before others on the thread have their turn.
const PIECE: usize = 32 << 10;
const TURN: usize = 128 << 10;
/// What is passed on without waiting for more.
const OUTPUT: usize = 16 << 10;

/// A body's encoder.
pub(crate) struct Encoder {
    /// Taken at the end.
    codec: Option<Codec>,
    /// What has come and was not compressed.
    input: Bytes,
    /// Whether something may be inside the codec.
    is_holding: bool,
    trailers: Option<Frame<Bytes>>,
}

enum Codec {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl Encoder {
    pub(crate) fn new(coding: Coding) -> io::Result<Self> {
        let codec = match coding {
            Coding::Gzip => Codec::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Coding::Brotli => {
                Codec::Brotli(Box::new(CompressorWriter::new(Vec::new(), 4096, BROTLI_LEVEL, WINDOW)))
            }
            Coding::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(WINDOW)?;
                Codec::Zstd(encoder)
            }
        };
        Ok(Self { codec: Some(codec), input: Bytes::new(), is_holding: false, trailers: None })
    }

    /// The next part of the compressed body, out of the next parts of the plain one.
    ///
    /// A plain body that is cut makes a compressed one that is cut: it gets no end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        mut plain: impl FnMut(&mut Context<'_>) -> Polled,
    ) -> Polled {
        let mut compressed = 0;
        loop {
            let Some(codec) = &mut self.codec else {
                return Poll::Ready(self.trailers.take().map(Ok));
            };
            if !self.input.is_empty() {
                let piece = self.input.split_to(self.input.len().min(PIECE));
                codec.writer().write_all(&piece)?;
                self.is_holding = true;
                if codec.output().len() >= OUTPUT {
                    return Poll::Ready(Some(Ok(codec.take_output())));
                }
                compressed += piece.len();
                if compressed >= TURN {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                continue;
            }
            match plain(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.input = data,
                    Err(trailers) => {
                        self.trailers = Some(trailers);
                        return self.finish();
                    }
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return self.finish(),
                Poll::Pending if std::mem::take(&mut self.is_holding) => {
                    codec.writer().flush()?;
                    return Poll::Ready(Some(Ok(codec.take_output())));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn finish(&mut self) -> Polled {
        let last = self.codec.take().map(Codec::finish).transpose()?;
        Poll::Ready(last.map(|last| Ok(Frame::data(Bytes::from(last)))))
    }

    /// Whether the end was given out.
    pub(crate) fn is_finished(&self) -> bool {
        self.codec.is_none() && self.trailers.is_none()
    }
}

impl Codec {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(encoder) => encoder,
            Self::Brotli(encoder) => encoder,
            Self::Zstd(encoder) => encoder,
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    fn take_output(&mut self) -> Frame<Bytes> {
        Frame::data(Bytes::from(std::mem::take(self.output())))
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("is_finished", &self.is_finished()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;

    /// What a body does when it is asked for more.
    #[derive(Clone, Debug)]
    enum Step {
        Data(Vec<u8>),
        Wait,
    }

    fn decoded(coding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        match coding {
            Coding::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain)?,
            Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain)?,
            Coding::Zstd => zstd::stream::read::Decoder::new(bytes)?.read_to_end(&mut plain)?,
        };
        Ok(plain)
    }

    /// Compresses, with all that was given out before the first wait apart.
    fn encoded(coding: Coding, steps: &[Step]) -> (Vec<u8>, Vec<u8>) {
        let mut encoder = Encoder::new(coding).unwrap();
        let (mut out, mut before_wait, mut has_waited) = (Vec::new(), Vec::new(), false);
        let mut steps = steps.iter();
        let mut waits = 0;
        loop {
            let frame = encoder.poll_frame(&mut Context::from_waker(Waker::noop()), |_| match steps.next() {
                Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(data))))),
                Some(Step::Wait) => {
                    waits += 1;
                    Poll::Pending
                }
                None => Poll::Ready(None),
            });
            match frame {
                Poll::Ready(Some(frame)) => out.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                Poll::Ready(None) => return (out, before_wait),
                Poll::Pending => {}
            }
            if waits > 0 && !has_waited {
                has_waited = true;
                before_wait.clone_from(&out);
            }
        }
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => proptest::collection::vec(0_u8..4, 0..50_000).prop_map(Step::Data),
            1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Step::Data),
            1 => Just(Step::Wait),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_decoded_is_what_was_encoded(steps in proptest::collection::vec(step(), 0..8)) {
            let plain: Vec<u8> = steps.iter().flat_map(|step| match step {
                Step::Data(data) => data.clone(),
                Step::Wait => Vec::new(),
            }).collect();
            for coding in Coding::ALL {
                let (bytes, _) = encoded(coding, &steps);
                prop_assert!(decoded(coding, &bytes).unwrap() == plain, "{coding:?}");
            }
        }
    }

    #[test]
    fn nothing_waits_in_the_encoder_for_more() {
        for coding in Coding::ALL {
            let data = b"the first event".repeat(10);
            let (_, before) =
                encoded(coding, &[Step::Data(data.clone()), Step::Wait, Step::Data(data.clone())]);
            // There is no end yet, so that a decoder complains after it has given out all of it.
            let mut plain = vec![0; data.len()];
            match coding {
                Coding::Gzip => flate2::read::GzDecoder::new(&before[..]).read_exact(&mut plain).unwrap(),
                Coding::Brotli => brotli::Decompressor::new(&before[..], 1).read_exact(&mut plain).unwrap(),
                Coding::Zstd => {
                    zstd::stream::read::Decoder::new(&before[..]).unwrap().read_exact(&mut plain).unwrap();
                }
            }
            assert_eq!(plain, data, "{coding:?}");
        }
    }

    #[test]
    fn a_body_that_is_cut_has_no_end() {
        for coding in Coding::ALL {
            let mut encoder = Encoder::new(coding).unwrap();
            let mut parts = vec![Err("cut".into()), Ok(Frame::data(Bytes::from(vec![b'x'; 100])))];
            let frame =
                encoder.poll_frame(&mut Context::from_waker(Waker::noop()), |_| Poll::Ready(parts.pop()));
            assert!(matches!(frame, Poll::Ready(Some(Err(_)))), "{coding:?}");
            assert!(!encoder.is_finished());
        }
    }
}
