//! What is returned is taken once, by whichever thread and in whichever order.

use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

use super::*;

type Item = AtomicUsize;

fn at(items: &[Item]) -> Vec<NonNull<Item>> {
    items.iter().map(NonNull::from).collect()
}

#[test]
fn it_is_a_queue_with_room_for_all_however_often_they_go_round() {
    let items: Vec<Item> = (0..7).map(AtomicUsize::new).collect();
    let returns = Returns::new(7);
    let mut out: VecDeque<_> = at(&items).into();
    let mut back: VecDeque<NonNull<Item>> = VecDeque::new();
    for round in 0..200 {
        let some: Vec<_> = out.drain(..out.len().min(round % 4)).collect();
        returns.put(some.iter());
        back.extend(some);
        assert_eq!(returns.waiting() as usize, back.len());
        for _ in 0..round % 3 {
            let taken = returns.take();
            assert_eq!(taken, back.pop_front());
            out.extend(taken);
        }
    }
    while let Some(item) = returns.take() {
        assert_eq!(Some(item), back.pop_front());
    }
    assert_eq!((back.len(), returns.waiting()), (0, 0));
}

/// Three threads return what one gives out, without pause: nothing is lost, nothing comes twice, and what a thread wrote into an
/// item is there when it is taken.
#[test]
fn threads_return_what_they_were_given() {
    struct Out(Vec<NonNull<Item>>);
    // SAFETY: an item belongs to one thread at a time, and is an atomic.
    unsafe impl Send for Out {}
    const ITEMS: usize = 63;
    const ROUNDS: usize = 20_000;
    let items: Vec<Item> = (0..ITEMS).map(|_| AtomicUsize::new(0)).collect();
    let returns = Returns::new(ITEMS as u32);
    std::thread::scope(|scope| {
        let returns = &returns;
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (to, from) = mpsc::channel::<Out>();
                scope.spawn(move || {
                    for Out(batch) in from {
                        for item in &batch {
                            // SAFETY: the items live as long as the scope. Relaxed: `put` orders it.
                            unsafe { item.as_ref() }.fetch_add(1, Ordering::Relaxed);
                        }
                        returns.put(batch.iter());
                    }
                });
                to
            })
            .collect();
        let (mut home, mut given) = (at(&items), vec![0; ITEMS]);
        for round in 0..ROUNDS {
            while home.is_empty() {
                std::thread::yield_now();
                home.extend(std::iter::from_fn(|| returns.take()));
            }
            let batch: Vec<_> = home.drain(..home.len().min(1 + round % 5)).collect();
            for item in &batch {
                // SAFETY: as above.
                let number = unsafe { item.offset_from(NonNull::from(&items[0])) } as usize;
                assert_eq!(items[number].load(Ordering::Relaxed), given[number], "taken with what was done to it");
                given[number] += 1;
            }
            threads[round % 3].send(Out(batch)).unwrap();
            home.extend(std::iter::from_fn(|| returns.take()));
        }
        drop(threads);
        while home.len() < ITEMS {
            std::thread::yield_now();
            home.extend(std::iter::from_fn(|| returns.take()));
        }
        home.sort_unstable();
        home.dedup();
        assert_eq!((home.len(), returns.waiting()), (ITEMS, 0));
    });
}
