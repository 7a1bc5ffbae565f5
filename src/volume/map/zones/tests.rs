use super::*;

const CHUNK: u64 = 1024;

/// Which member holds each chunk, and which of its chunks it is, dealt one by one.
fn dealt(member_chunks: &[u64], order: ZoneOrder) -> Vec<(usize, u64)> {
    let mut dealt = Vec::new();
    let mut filled = vec![0; member_chunks.len()];
    while let Some(level) = (0..filled.len()).filter(|at| filled[*at] < member_chunks[*at]).map(|at| filled[at]).min() {
        let row: Vec<usize> =
            (0..filled.len()).filter(|at| filled[*at] == level && member_chunks[*at] > level).collect();
        let turned = match order {
            ZoneOrder::Original => dealt.len() % row.len(),
            ZoneOrder::Alternate => 0,
        };
        for position in 0..row.len() {
            let member = row[(position + turned) % row.len()];
            dealt.push((member, level));
            filled[member] += 1;
        }
    }
    dealt
}

#[test]
fn chunks_are_dealt_to_all_members_that_reach_so_far() {
    let shapes: [&[u64]; 8] =
        [&[4], &[3, 3], &[2, 5, 5], &[5, 2, 3], &[7, 1, 3, 3, 2], &[0, 2, 2], &[1, 2, 3, 4, 5, 6], &[]];
    for order in [ZoneOrder::Original, ZoneOrder::Alternate] {
        for shape in shapes {
            let bytes: Vec<u64> = shape.iter().map(|chunks| chunks * CHUNK + 512).collect();
            let zones = Zones::new(&bytes, CHUNK, order).unwrap();
            let expected = dealt(shape, order);
            assert_eq!(zones.size(), expected.len() as u64 * CHUNK, "{shape:?}");
            for (number, (member, chunk)) in expected.iter().enumerate() {
                for inside in [0, 700] {
                    let piece = zones.piece(number as u64 * CHUNK + inside).unwrap();
                    let place = Place { member: *member, offset: chunk * CHUNK + inside };
                    let expected = Piece { length: CHUNK - inside, source: Source::Copies(vec![place]) };
                    assert_eq!(piece, expected, "{order:?} {shape:?} chunk {number}");
                }
            }
        }
    }
}

#[test]
fn the_order_matters_where_a_later_zone_has_several_members() {
    let matters = |chunks: &[u64]| {
        let bytes: Vec<u64> = chunks.iter().map(|chunks| chunks * CHUNK).collect();
        let [original, alternate] =
            [ZoneOrder::Original, ZoneOrder::Alternate].map(|order| Zones::new(&bytes, CHUNK, order).unwrap());
        let differ =
            (0..original.size()).step_by(CHUNK as usize).any(|at| original.piece(at).ok() != alternate.piece(at).ok());
        assert!(!differ || original.order_matters(), "{chunks:?}");
        (original.order_matters(), differ)
    };
    assert_eq!(matters(&[3, 3, 3]), (false, false));
    assert_eq!(matters(&[3, 5]), (false, false));
    assert_eq!(matters(&[1, 5, 5]), (true, true));
}

#[test]
fn md_numbers_orders_so() {
    let orders = [0, 1, 2, 3].map(ZoneOrder::from_md);
    assert_eq!(orders, [None, Some(ZoneOrder::Original), Some(ZoneOrder::Alternate), None]);
}

#[test]
fn volumes_that_cannot_be_are_refused() {
    let new = |bytes: &[u64], chunk| Zones::new(bytes, chunk, ZoneOrder::Original).is_some();
    assert!(new(&[4096; 4096], 512));
    assert!(!new(&[4096; 4097], 512) && !new(&[4096], 0) && !new(&[4096], 513) && !new(&[u64::MAX, u64::MAX], 512));
}
