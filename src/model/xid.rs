//! What the errors mean that NVIDIA's driver reports by a number (Xid), and what to do.
//!
//! Source: NVIDIA's Xid catalogue (docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, with
//! its immediate and investigatory actions, for Ampere and newer cards), worded for someone who
//! trains. A number that is not here is one that the catalogue calls unused, or that says nothing to
//! such a person: it is shown as a number.

/// One error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xid {
    /// Its number.
    pub number: u64,
    /// What it means, a clause.
    pub meaning: &'static str,
    /// Whose fault it most likely is.
    pub whose: Whose,
    /// What to do, a sentence.
    pub remedy: &'static str,
}

/// Whose fault an error most likely is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The program that ran on the GPU.
    Program,
    /// The driver, or the program.
    Driver,
    /// The card, its memory, its power or its slot.
    Hardware,
    /// Nobody's: the driver coped with it.
    Nobody,
}

impl Whose {
    /// As a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Program => "the program",
            Self::Driver => "the driver or the program",
            Self::Hardware => "the hardware",
            Self::Nobody => "nobody: it was coped with",
        }
    }
}

const fn xid(number: u64, meaning: &'static str, whose: Whose, remedy: &'static str) -> Xid {
    Xid { number, meaning, whose, remedy }
}

/// Of the fifth generation of NVLink, whose errors are anything from harmless to fatal.
const NVLINK5: &str = "Where an Xid 154 beside it asks for a reset, reset the GPUs that are linked; else the \
                       bits of its line in dmesg tell, by the catalogue's second table.";

/// The errors that are worth knowing, by number.
pub const XIDS: &[Xid] = &[
    xid(
        8,
        "a kernel did not stop when it was told to",
        Whose::Driver,
        "Restart the job; if it comes back, look for a kernel that never ends.",
    ),
    xid(
        13,
        "a kernel did what the GPU cannot do, as an access out of bounds",
        Whose::Program,
        "Run the job under compute-sanitizer, or with CUDA_LAUNCH_BLOCKING=1 to find the kernel.",
    ),
    xid(
        31,
        "a kernel read or wrote memory that is not its own",
        Whose::Program,
        "Run the job under compute-sanitizer; an index out of range in an embedding is the usual cause.",
    ),
    xid(
        32,
        "the driver got orders that it could not read",
        Whose::Driver,
        "Restart the job; if it comes back, look at its CUDA libraries, then at PCIe: reseat the card.",
    ),
    xid(
        38,
        "the firmware of the driver failed",
        Whose::Driver,
        "Nothing has to be done at once; update the driver if it comes back.",
    ),
    xid(
        43,
        "the GPU stopped working on a program's orders",
        Whose::Program,
        "The job has lost its context: restart it from its checkpoint. The card itself is well.",
    ),
    xid(
        45,
        "work was ended before it was done, as where a job is killed or after another error",
        Whose::Program,
        "Look for the error before it in dmesg; by itself it only says that a job died.",
    ),
    xid(
        46,
        "the GPU stopped working: it did not answer in time",
        Whose::Driver,
        "Reset the GPU (nvidia-smi -r) and restart the job from its checkpoint.",
    ),
    xid(
        48,
        "device memory had an error that ECC could not correct",
        Whose::Hardware,
        "Restart the job from its checkpoint and reset the GPU; have the card replaced if it comes back.",
    ),
    xid(
        61,
        "the GPU's own controller stopped at a warning, on older cards",
        Whose::Hardware,
        "Reset the GPU, then the machine; have the card tested if it comes back.",
    ),
    xid(
        62,
        "the GPU's own controller stands still",
        Whose::Hardware,
        "Reset the GPU, then the machine; have the card tested if it comes back.",
    ),
    xid(
        63,
        "a worn row of device memory was noted to be replaced",
        Whose::Nobody,
        "Reset the GPU when the job is done, so that the row is replaced.",
    ),
    xid(
        64,
        "a worn row of device memory could not be noted to be replaced",
        Whose::Hardware,
        "Reset the GPU; have the card replaced if it comes back.",
    ),
    xid(
        68,
        "a video decoder failed",
        Whose::Driver,
        "Look at what the job decodes on the GPU; update the driver if it comes back.",
    ),
    xid(
        69,
        "a kernel used the GPU in a way that it does not have",
        Whose::Program,
        "Look for code that was built for another GPU.",
    ),
    xid(
        74,
        "an NVLink failed",
        Whose::Hardware,
        "Reset the GPUs that are linked; have link and switch tested if it comes back.",
    ),
    xid(
        79,
        "the GPU fell off the bus: the machine can no longer reach it",
        Whose::Hardware,
        "Restart the machine; then look at power cables, the slot and heat.",
    ),
    xid(
        92,
        "memory errors that ECC corrects come too often",
        Whose::Hardware,
        "Nothing was lost; have the card watched, and reset it when the job is done.",
    ),
    xid(
        94,
        "a memory error hit one program, and was contained to it",
        Whose::Hardware,
        "Restart that job from its checkpoint; reset the GPU when it is free.",
    ),
    xid(
        95,
        "a memory error could not be contained: every program on the GPU is hit",
        Whose::Hardware,
        "Restart all jobs of this GPU from their checkpoints after a reset of the GPU.",
    ),
    xid(
        109,
        "a change between programs on the GPU took too long",
        Whose::Driver,
        "Reset the GPU and restart the job; update the driver if it comes back.",
    ),
    xid(
        110,
        "the GPU reported a fault of its security",
        Whose::Driver,
        "Reset the GPU; update the driver if it comes back.",
    ),
    xid(
        119,
        "the GPU's system processor (GSP) did not answer the driver",
        Whose::Driver,
        "Reset the GPU or restart the machine; update the driver, or turn GSP off, if it comes back.",
    ),
    xid(
        120,
        "the GPU's system processor (GSP) failed",
        Whose::Driver,
        "Reset the GPU or restart the machine; update the driver if it comes back.",
    ),
    xid(
        121,
        "the link between GPU and Grace CPU had errors that were corrected",
        Whose::Nobody,
        "Nothing was lost; reset the GPU when the job is done, so that the link is trained anew.",
    ),
    xid(
        136,
        "an NVLink could not be trained",
        Whose::Hardware,
        "Reset the GPU; have link and switch tested if it comes back.",
    ),
    xid(
        137,
        "a GPU reached over NVLink for memory of another one that it may not use",
        Whose::Program,
        "Run the job under compute-sanitizer: a peer's buffer was freed, or its process died.",
    ),
    xid(
        140,
        "device memory had an error that ECC could not correct, and its page could not be taken out of use",
        Whose::Hardware,
        "Reset the GPU; have the card replaced if it comes back.",
    ),
    xid(
        143,
        "the GPU could not be started",
        Whose::Hardware,
        "Reset the GPU, then restart the machine.",
    ),
    xid(144, "an NVLink had an error, in its unit SAW", Whose::Hardware, NVLINK5),
    xid(145, "an NVLink had an error, in its unit RLW", Whose::Hardware, NVLINK5),
    xid(146, "an NVLink had an error, in its unit TLW", Whose::Hardware, NVLINK5),
    xid(147, "an NVLink had an error, in its unit TREX", Whose::Hardware, NVLINK5),
    xid(148, "an NVLink had an error, in its unit NVLPW_CTRL", Whose::Hardware, NVLINK5),
    xid(149, "an NVLink had an error, in its unit NETIR", Whose::Hardware, NVLINK5),
    xid(150, "an NVLink had an error, in its unit MSE", Whose::Hardware, NVLINK5),
    xid(
        154,
        "the driver says what the GPU needs to recover",
        Whose::Nobody,
        "See the action in dmesg: none, a reset of the GPU, or a restart.",
    ),
    xid(
        155,
        "an NVLink was taken down by software",
        Whose::Driver,
        "Reset the GPU, unless the link was taken down on purpose.",
    ),
    xid(
        156,
        "a worn part of the GPU was taken out of use",
        Whose::Nobody,
        "Reset the GPU when the job is done, so that the part is replaced.",
    ),
    xid(
        157,
        "a worn part of the GPU could not be taken out of use: none is left to replace it",
        Whose::Hardware,
        "Jobs may go on, and may see it again; have the card replaced.",
    ),
    xid(
        158,
        "the GPU did not answer in time, for good",
        Whose::Hardware,
        "Reset the GPU; have the card tested if it comes back.",
    ),
    xid(
        171,
        "the error beside it (Xid 48) was one of the device memory (DRAM)",
        Whose::Hardware,
        "Do as for Xid 48.",
    ),
    xid(
        172,
        "the error beside it (Xid 48) was one of the chip's own memory (SRAM)",
        Whose::Hardware,
        "Do as for Xid 48.",
    ),
];

/// What to do about an error that is not in the list.
const UNKNOWN: &str =
    "Look it up in NVIDIA's Xid catalogue (docs.nvidia.com/deploy/xid-errors), and see dmesg.";

/// What an error means; `None` for a number that is not in the list.
pub fn known(number: u64) -> Option<&'static Xid> {
    XIDS.iter().find(|xid| xid.number == number)
}

/// What an error means, in words, whether or not it is in the list.
pub fn meaning(number: u64) -> &'static str {
    known(number).map_or("an error that is not in mltop's list", |xid| xid.meaning)
}

/// What to do about an error.
pub fn remedy(number: u64) -> &'static str {
    known(number).map_or(UNKNOWN, |xid| xid.remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stand_in_order_and_once_with_a_remedy_each() {
        assert!(XIDS.windows(2).all(|pair| pair[0].number < pair[1].number));
        for xid in XIDS {
            assert!(!xid.meaning.ends_with('.') && xid.remedy.ends_with('.'), "{xid:?}");
        }
    }

    #[test]
    fn an_error_of_a_later_driver_is_told_as_such() {
        assert_eq!(known(79).map(|xid| xid.whose), Some(Whose::Hardware));
        assert!(meaning(79).contains("fell off the bus"));
        assert!(meaning(9999).contains("not in mltop's list"));
        assert!(remedy(9999).contains("docs.nvidia.com/deploy/xid-errors"));
        // The catalogue calls these unused.
        assert!([122, 123, 124, 125, 138].into_iter().all(|number| known(number).is_none()));
    }
}
