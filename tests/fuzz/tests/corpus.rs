//! Replays the committed corpus, each input as it is and with some seeded changes, so that the ways it leads are still walked.
//! `EBBTIDE_WRITE_CORPUS=1` writes the honest inputs from which fuzzing begins. It looks for nothing new by coverage; `soak` does.

use ebbtide_fuzz::{decoders, device, documents, packets_to_device, packets_to_space, space};
use ebbtide_simulator::random::Random;
use std::fs;
use std::path::PathBuf;

/// Changed copies of each honest input.
const CHANGED: u64 = 12;

/// Changed copies of each input that fuzzing found: there are hundreds, and they are odd already.
const CHANGED_FOUND: u64 = 1;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder(target)).expect("the corpus is there");
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a file of the corpus").path();
            (path.display().to_string(), fs::read(&path).expect("a file that can be read"))
        })
        .collect();
    inputs.sort();
    inputs
}

fn changed(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..random.between(1, 3) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        match random.below(4) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = *random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, random.draw() as u8),
        }
    }
    bytes
}

fn replay(target: &str, play: impl Fn(&[u8])) {
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "the corpus of {target} is empty");
    for (number, (name, bytes)) in inputs.into_iter().enumerate() {
        println!("{name}");
        play(&bytes);
        let mut random = Random::new(number as u64);
        let copies = if name.contains("honest") { CHANGED } else { CHANGED_FOUND };
        (0..copies).for_each(|_| play(&changed(&mut random, bytes.clone())));
    }
}

#[test]
fn wp08_the_corpus_of_all_decoders_ends_in_values_or_errors() {
    replay("decoders", decoders);
}

#[test]
fn sv78_a_space_answers_the_corpus_and_still_serves_an_honest_device() {
    replay("space", space);
}

#[test]
fn cs46_a_device_that_hears_the_corpus_goes_on_or_stops_and_stays_sound() {
    replay("device", device);
}

/// The honest inputs: both conversations, and each of their packets for the decoders.
#[test]
fn wp07_the_corpus_begins_with_an_honest_conversation() {
    let (up, down) = (packets_to_space(), packets_to_device());
    if std::env::var_os("EBBTIDE_WRITE_CORPUS").is_some() {
        for (target, name, bytes) in [("space", "honest", &up), ("device", "honest", &down)] {
            fs::create_dir_all(folder(target)).expect("a folder");
            fs::write(folder(target).join(name), bytes).expect("a file that can be written");
        }
        fs::create_dir_all(folder("decoders")).expect("a folder");
        for (number, bytes) in documents().into_iter().enumerate() {
            fs::write(folder("decoders").join(format!("honest-{number}")), bytes).expect("a file that can be written");
        }
    }
    // What is kept was said by an earlier version, and must still be understood.
    for (target, honest) in [("space", up), ("device", down)] {
        assert!(inputs(target).iter().any(|(name, _)| name.ends_with("honest")), "no honest input for {target}");
        assert!(!honest.is_empty());
    }
}
