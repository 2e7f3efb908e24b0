//! Who added which element of a set, so that a removal takes away only what its writer had seen.
//! One run per neighbouring elements of one addition, in the order of the array; kept by the space with the row's marks.
//! An array written by other means than operations has no runs: its cell's mark stands for all elements.

use super::{Element, SetOperation, elements};
use crate::limits::SET_RUNS;
use crate::server::draft::Write;
use crate::server::store::Mark;
use crate::value::Value;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// See the file's header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRecord {
    runs: Vec<(u32, Mark)>,
}

/// What an operation made of a set in the space.
pub struct Made {
    /// The set.
    pub value: Value,
    /// Who added what of it; `None` where the cell's new mark says it.
    pub record: Option<SetRecord>,
}

/// Applies an operation; `None` if what stands there is no set.
pub fn apply(
    operation: &SetOperation,
    current: &Value,
    mark: Option<&Mark>,
    record: Option<&SetRecord>,
    write: &Write,
) -> Option<Made> {
    let present = elements(current)?;
    let marks = marks(present.len(), mark, record);
    let seen = mark.is_none_or(|mark| write.writer.had_seen(mark));
    let value = match seen {
        true => operation.apply(current)?,
        false => operation.merge(current, |position| write.writer.had_seen(&marks[position]))?,
    };
    let record = SetRecord::of(operation, &present, &marks, &elements(&value)?, write)?;
    // What the cell's new mark says of all elements needs no record.
    let says = |record: &SetRecord| seen && record.runs.iter().all(|(_, mark)| *mark == write.mark(true));
    Some(Made { value, record: Some(record).filter(|record| !says(record)) })
}

fn marks(count: usize, mark: Option<&Mark>, record: Option<&SetRecord>) -> Vec<Mark> {
    let runs = record.map(|record| record.runs.as_slice()).unwrap_or_default();
    let covered: u64 = runs.iter().map(|(count, _)| u64::from(*count)).sum();
    if covered != count as u64 {
        return vec![mark.copied().unwrap_or_default(); count];
    }
    runs.iter().flat_map(|(count, mark)| vec![*mark; *count as usize]).collect()
}

impl SetRecord {
    fn of(
        operation: &SetOperation,
        present: &[Element],
        marks: &[Mark],
        after: &[Element],
        write: &Write,
    ) -> Option<Self> {
        // An addition stands as it was sent, whatever became of the set around it.
        let new = write.mark(true);
        let mut known: BTreeMap<&str, Mark> = BTreeMap::new();
        for (element, mark) in present.iter().zip(marks) {
            known.entry(&element.canonical).or_insert(*mark);
        }
        let added = operation.additions()?;
        known.extend(added.iter().map(|element| (element.canonical.as_str(), new)));
        let mut record = Self::default();
        after.iter().for_each(|element| record.push(known.get(element.canonical.as_str()).copied().unwrap_or(new)));
        while record.runs.len() > SET_RUNS {
            record.join_first();
        }
        Some(record)
    }

    fn push(&mut self, mark: Mark) {
        match self.runs.last_mut() {
            Some((count, last)) if *last == mark => *count += 1,
            _ => self.runs.push((1, mark)),
        }
    }

    /// Two additions become one that counts as seen only by who has pulled both.
    fn join_first(&mut self) {
        let (count, mark) = self.runs.remove(0);
        let (next, other) = &mut self.runs[0];
        *next += count;
        let later = if mark.seq > other.seq { mark } else { *other };
        *other = Mark { as_sent: false, ..later };
    }
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;
    use crate::ids::{AuthorId, Seq};
    use crate::merge::laws::write_at;
    use alloc::format;

    fn mark(seq: u64) -> Mark {
        Mark { seq: Seq(seq), author: AuthorId(3), as_sent: true, ..Mark::default() }
    }

    /// The record of a set of so many elements, each added by another commit, after a write that changed nothing.
    fn of(count: usize) -> SetRecord {
        let present = json::elements(&format!("{:?}", (0..count).collect::<Vec<_>>())).expect("an array");
        let marks: Vec<Mark> = (0..count as u64).map(mark).collect();
        let nothing = SetOperation { added: Vec::new(), removed: Vec::new(), exact: None };
        SetRecord::of(&nothing, &present, &marks, &present, &write_at(1, 0, 9, 0)).expect("a record")
    }

    #[test]
    fn mg15_neighbours_of_one_addition_are_one_run() {
        let mut record = SetRecord::default();
        [mark(4), mark(4), mark(6), mark(4)].into_iter().for_each(|mark| record.push(mark));
        assert_eq!(record.runs, [(2, mark(4)), (1, mark(6)), (1, mark(4))]);
    }

    #[test]
    fn mg15_as_many_runs_are_kept_as_the_bound_says() {
        assert_eq!(of(SET_RUNS).runs.len(), SET_RUNS);
        assert!(of(SET_RUNS).runs.iter().all(|(count, mark)| *count == 1 && mark.as_sent));
        let joined = of(SET_RUNS + 2);
        assert_eq!((joined.runs.len(), joined.runs[0].0, joined.runs[1].0), (SET_RUNS, 3, 1));
    }

    #[test]
    fn mg15_joined_runs_count_as_seen_only_by_who_has_pulled_the_later() {
        for (first, second) in [(5, 7), (7, 5)] {
            let mut record = SetRecord { runs: vec![(2, mark(first)), (3, mark(second))] };
            record.join_first();
            assert_eq!(record.runs, [(5, Mark { as_sent: false, ..mark(7) })]);
        }
    }
}
