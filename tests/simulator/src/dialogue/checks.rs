//! What a script looks at in the end: rows, the head, whether all are in step and each database is sound.
//! It moves no message. Part of `dialogue`; used by the conversations.

use super::*;

impl Dialogue {
    /// What SELECT answers for the synced tables of a device.
    pub fn rows(&mut self, party: usize) -> Rows {
        let now = self.time_of(party);
        self.device(party).rows(now).expect("the database can be read")
    }

    /// Copies a device's disk under its feet: the device goes on in the same run of its database.
    pub fn image_while_open(&self, party: usize) -> Image {
        self.parties[party].disk.image()
    }

    /// The newest commit.
    pub fn head(&mut self) -> Seq {
        self.space.head().0
    }

    /// All devices show what the space has, with nothing waiting.
    pub fn assert_in_step(&mut self) {
        let server = self.space.rows();
        let head = self.head();
        for party in 0..self.parties.len() {
            let durable = self.durable(party);
            assert_eq!(durable.rows, server, "{} differs\n{}", self.parties[party].name, self.transcript());
            assert_eq!(durable.state.cursor.seq, head, "{} is behind", self.parties[party].name);
            assert!(durable.log.is_empty() && durable.sealed.is_empty() && durable.blocked.is_empty());
        }
        assert_eq!(self.space.integrity(), Vec::<String>::new());
    }

    /// Closes a device and has SQLite check its file.
    pub fn assert_intact(&mut self, party: usize) {
        let device = self.parties[party].device.take().expect("a device that is on");
        assert_eq!(device.integrity(), Vec::<String>::new());
        self.open(party, &self.schema.clone());
    }

    /// The error of a step that must fail.
    pub fn failing_input(&mut self, party: usize, input: Input) -> DeviceError {
        let now = self.time_of(party);
        self.device(party).handle(input, now).expect_err("the session refuses")
    }
}
