//! Pools and packet buffers: nothing is freed under anybody.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "process/alone.rs"]
mod alone;

use alone::{alone, eal};
use arrayvec::ArrayVec;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::{Mempool, MempoolConfig, MempoolError, RetiredPools, Sharing};

const SHAPE: MempoolConfig =
    MempoolConfig { mbufs: 1_000, data_octets: 256, cache: 64, sharing: Sharing::OneWorker, numa: None };

#[test]
fn a_buffer_outlives_the_last_handle_of_its_pool() {
    alone("a_buffer_outlives_the_last_handle_of_its_pool", || {
        let eal = eal(32);
        let pool = Mempool::create(&eal, &SHAPE).unwrap();
        let first = pool.as_ptr();
        let mut packet = pool.alloc().unwrap();
        packet.append(3).unwrap().copy_from_slice(b"abc");
        assert_eq!(pool.available(), pool.capacity() - 1);
        drop(pool.clone());
        assert_eq!(Mempool::retired(), RetiredPools::default());
        drop(pool);
        assert_eq!(Mempool::retired(), RetiredPools { pools: 1, waiting: 1 });
        let second = Mempool::create(&eal, &SHAPE).unwrap();
        assert_ne!(second.as_ptr(), first);
        // From another thread, as net_ring's other side would.
        std::thread::spawn(move || assert_eq!(packet.head(), b"abc")).join().unwrap();
        assert_eq!(Mempool::retired(), RetiredPools { pools: 1, waiting: 0 });
        let third = Mempool::create(&eal, &SHAPE).unwrap();
        assert_eq!((third.as_ptr(), third.available()), (first, 1_023));
        assert_eq!(Mempool::retired(), RetiredPools::default());
    });
}

#[test]
fn another_shape_is_another_pool() {
    alone("another_shape_is_another_pool", || {
        let eal = eal(32);
        let retired = Mempool::create(&eal, &SHAPE).unwrap().as_ptr();
        for other in [
            MempoolConfig { mbufs: 2_000, ..SHAPE },
            MempoolConfig { data_octets: 512, ..SHAPE },
            MempoolConfig { cache: 0, ..SHAPE },
            MempoolConfig { sharing: Sharing::Threads, ..SHAPE },
        ] {
            assert_ne!(Mempool::create(&eal, &other).unwrap().as_ptr(), retired, "{other:?}");
        }
        // 1,000 and 1,023 are the same ring.
        assert_eq!(Mempool::create(&eal, &MempoolConfig { mbufs: 1_023, ..SHAPE }).unwrap().as_ptr(), retired);
    });
}

#[test]
fn an_exhausted_pool_gives_all_or_nothing() {
    alone("an_exhausted_pool_gives_all_or_nothing", || {
        let eal = eal(32);
        let pool = Mempool::create(&eal, &MempoolConfig { mbufs: 63, cache: 0, ..SHAPE }).unwrap();
        let (mut one, mut two) = (ArrayVec::<Mbuf, BURST>::new(), ArrayVec::<Mbuf, BURST>::new());
        assert!(pool.alloc_burst(&mut one, BURST));
        assert!(!pool.alloc_burst(&mut one, 1), "there is no room for one more");
        assert!(!pool.alloc_burst(&mut two, BURST) && two.is_empty(), "31 are left");
        assert!(pool.alloc_burst(&mut two, 31));
        assert!(pool.alloc().is_none());
        drop((one, two));
        assert_eq!(pool.available(), 63);
    });
}

#[test]
fn what_a_thread_keeps_goes_back_when_it_ends() {
    alone("what_a_thread_keeps_goes_back_when_it_ends", || {
        let eal = eal(32);
        let pool = Mempool::create(&eal, &MempoolConfig { mbufs: 255, ..SHAPE }).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _registered = eal.register_thread().unwrap();
                drop(pool.alloc().unwrap());
            });
        });
        // This thread is no lcore: it takes from the ring alone.
        let all: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!(all.len(), 255);
    });
}

#[test]
fn a_packet_grows_within_its_buffer_and_chains() {
    alone("a_packet_grows_within_its_buffer_and_chains", || {
        let eal = eal(32);
        let pool = Mempool::create(&eal, &SHAPE).unwrap();
        let mut packet = pool.alloc().unwrap();
        assert_eq!((packet.octets(), packet.segment_count(), packet.head()), (0, 1, &[][..]));
        packet.append(200).unwrap().fill(1);
        packet.append(56).unwrap().fill(2);
        assert!(packet.append(1).is_none(), "256 octets are all");
        let mut tail = pool.alloc().unwrap();
        tail.append(10).unwrap().fill(3);
        packet.chain(tail).unwrap();
        assert!(packet.append(0).is_none(), "a chain is not written");
        assert_eq!((packet.octets(), packet.segment_count()), (266, 2));
        let segments: Vec<&[u8]> = packet.segments().collect();
        assert_eq!(segments, [&[[1; 200].as_slice(), &[2; 56]].concat()[..], &[3; 10]]);
        drop(packet);
        assert_eq!(pool.available(), pool.capacity());
    });
}

#[test]
fn an_impossible_pool_is_refused_in_words() {
    alone("an_impossible_pool_is_refused_in_words", || {
        let eal = eal(32);
        let cache = Mempool::create(&eal, &MempoolConfig { mbufs: 63, cache: 64, ..SHAPE }).unwrap_err();
        assert!(matches!(cache, MempoolError::Cache(_)), "{cache}");
        let large = Mempool::create(&eal, &MempoolConfig { mbufs: 1_000_000, ..SHAPE }).unwrap_err();
        assert!(matches!(large, MempoolError::Refused { errno: 12, .. }), "{large:?}");
        assert!(large.to_string().contains("more memory"), "{large}");
    });
}
