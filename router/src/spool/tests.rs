use std::time::Duration;

use proptest::prelude::*;
use tokio::task::LocalSet;

use super::*;

/// A body of these parts; cut if so wanted, or never ending.
struct Parts {
    parts: VecDeque<Bytes>,
    end: Option<Result<(), &'static str>>,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match (self.parts.pop_front(), self.end) {
            (Some(part), _) => Poll::Ready(Some(Ok(Frame::data(part)))),
            (None, Some(Ok(()))) => Poll::Ready(None),
            (None, Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            (None, None) => Poll::Pending,
        }
    }
}

fn parts(sizes: &[usize]) -> Parts {
    let mut next = 0_u8;
    let mut part = |size: &usize| {
        Bytes::from_iter((0..*size).map(|_| {
            next = next.wrapping_mul(31).wrapping_add(7);
            next
        }))
    };
    Parts { parts: sizes.iter().map(&mut part).collect(), end: Some(Ok(())) }
}

fn limits(memory: usize, total: u64) -> SpoolLimits {
    SpoolLimits { memory, total, directory: std::env::temp_dir() }
}

fn whole(body: &Parts) -> Vec<u8> {
    body.parts.iter().flatten().copied().collect()
}

async fn read(spool: &mut Spool) -> Result<Vec<u8>, BodyError> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| spool.poll_frame(cx)).await {
        read.extend_from_slice(&frame?.into_data().unwrap());
    }
    Ok(read)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let within = async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() };
    LocalSet::new().block_on(&runtime, within)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_comes_out_is_what_went_in(
        sizes in proptest::collection::vec(prop_oneof![0_usize..400_000, 0_usize..20, 3_000_usize..9_000], 0..24),
        memory in 0_usize..200_000,
        total in 0_u64..2_000_000,
        first in any::<bool>(),
    ) {
        let body = parts(&sizes);
        let expected = whole(&body);
        let read = run(async {
            let mut spool = Spool::take(body, limits(memory, total));
            if first {
                spool.settled().await;
            }
            let read = read(&mut spool).await.unwrap();
            assert!(spool.is_end_stream());
            read
        });
        prop_assert!(read == expected);
    }
}

#[test]
fn small_parts_take_no_more_than_their_bytes() {
    run(async {
        let body = parts(&[1; 60_000]);
        let expected = whole(&body);
        let mut spool = Spool::take(body, limits(64 << 10, 1 << 20));
        spool.settled().await;
        assert!(spool.shared.state.borrow().memory.len() <= 8);
        assert!(read(&mut spool).await.unwrap() == expected);
    });
}

#[test]
fn a_body_is_whole_full_or_cut() {
    run(async {
        let settled = |body, total| async move { Spool::take(body, limits(10, total)).settled().await };
        let whole = Settled::Whole { length: 300_000, has_trailers: false };
        assert_eq!(settled(parts(&[100_000, 200_000]), 300_000).await, whole);
        assert_eq!(settled(parts(&[100_000, 200_000]), 299_999).await, Settled::Full);
        let cut = Parts { end: Some(Err("cut")), ..parts(&[100_000]) };
        assert_eq!(settled(cut, 300_000).await, Settled::Cut);
    });
}

#[test]
fn a_cut_body_is_given_as_far_as_it_came_and_is_cut() {
    run(async {
        let cut = Parts { end: Some(Err("cut")), ..parts(&[100_000]) };
        let mut spool = Spool::take(cut, limits(10, 300_000));
        let mut length = 0;
        let error = loop {
            match poll_fn(|cx| spool.poll_frame(cx)).await.unwrap() {
                Ok(frame) => length += frame.into_data().unwrap().len(),
                Err(error) => break error,
            }
        };
        assert_eq!((length, error.to_string().as_str()), (100_000, "cut"));
        assert!(!spool.is_end_stream());
    });
}

#[test]
fn without_a_place_for_files_a_body_goes_through_memory() {
    run(async {
        let body = parts(&[100_000, 300_000, 5, 300_000]);
        let expected = whole(&body);
        let limits = SpoolLimits { directory: "/nowhere/at/all".into(), ..limits(10, 1 << 30) };
        let mut spool = Spool::take(body, limits);
        assert_eq!(spool.settled().await, Settled::Full);
        assert!(read(&mut spool).await.unwrap() == expected);
    });
}

#[test]
fn what_is_not_read_stays_within_its_bound() {
    run(async {
        let body = parts(&[100_000; 30]);
        let mut spool = Spool::take(body, limits(150_000, 500_000));
        assert_eq!(spool.settled().await, Settled::Full);
        for _ in 0..20 {
            poll_fn(|cx| spool.poll_frame(cx)).await.unwrap().unwrap();
            tokio::task::yield_now().await;
            let state = spool.shared.state.borrow();
            assert!(state.unread() <= 500_000 && state.memory_bytes <= 150_000, "{state:?}");
            let file = state.file.as_ref().map_or(0, RingFile::length);
            assert!(file <= 500_000, "{file}");
        }
    });
}

#[test]
fn dropping_it_drops_the_body() {
    struct Held(#[expect(dead_code, reason = "dropped with it")] Rc<()>, Parts);
    impl Body for Held {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Pin::new(&mut self.1).poll_frame(cx)
        }
    }
    run(async {
        let held = Rc::new(());
        let endless = Parts { end: None, ..parts(&[5]) };
        let mut spool = Spool::take(Held(Rc::clone(&held), endless), limits(10, 10));
        assert!(poll_fn(|cx| spool.poll_frame(cx)).await.is_some());
        tokio::select! { biased; _ = spool.settled() => panic!("it has no end"), () = async {} => {} }
        drop(spool);
        while Rc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
        drop(held);
    });
}
