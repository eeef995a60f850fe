use alloc::collections::BTreeMap;

use norikv_types::Prng;

use super::*;

/// Against the plainest queue there is: an ordered map from slots to items.
#[test]
fn items_come_out_by_time_then_sequence_whatever_is_taken_out_between() {
    for seed in 0..100 {
        let prng = &mut Prng::new(seed);
        let mut schedule = Schedule::new();
        let mut model: BTreeMap<Slot, u64> = BTreeMap::new();
        for item in 0..500 {
            match prng.below(10) {
                0..5 => {
                    let at = Mono::from_nanos(prng.below(50));
                    let slot = schedule.push(at, item);
                    assert_eq!((slot.at, slot.sequence), (at, schedule.next_sequence - 1));
                    assert_eq!(model.insert(slot, item), None, "seed {seed}");
                }
                5..8 => assert_eq!(schedule.pop(), model.pop_first(), "seed {seed}"),
                8 => {
                    let nth = usize::try_from(prng.below(20)).unwrap_or(0);
                    let slot = model.keys().nth(nth).copied();
                    if let Some(slot) = slot {
                        assert_eq!(schedule.remove(slot), model.remove(&slot));
                        assert_eq!(schedule.remove(slot), None);
                    }
                }
                _ => {
                    let odd = prng.below(7);
                    schedule.retain(|item| item % 7 != odd);
                    model.retain(|_, item| *item % 7 != odd);
                }
            }
            assert!(
                schedule
                    .iter()
                    .eq(model.iter().map(|(slot, item)| (*slot, item)))
            );
            assert!(schedule.items.len() <= 500 && schedule.len() == model.len());
            assert_eq!(schedule.peek(), schedule.iter().next());
            assert_eq!(schedule.next_at(), model.keys().next().map(|slot| slot.at));
        }
        assert_eq!(schedule.items.len(), schedule.free.len() + model.len());
    }
}
