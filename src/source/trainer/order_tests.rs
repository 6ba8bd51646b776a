use proptest::prelude::*;

use super::*;
use crate::model::Gap;
use crate::model::inventory::{GpuModes, MigInfo};

pub(in crate::source::trainer) type Env = Reading<BTreeMap<&'static str, Box<str>>>;

/// Four cards whose files are numbered the other way round, the last cut into two instances.
pub(in crate::source::trainer) fn cards() -> Vec<Arc<GpuInfo>> {
    let card = |at: u32| GpuInfo {
        gpu: GpuId(at),
        uuid: format!("GPU-{at}{at}-a").into(),
        name: "H100".into(),
        modes: GpuModes { minor: Some(3 - at), ..GpuModes::default() },
        ..GpuInfo::default()
    };
    let slice = |at: u32| GpuInfo {
        gpu: GpuId(3).slice(at).unwrap(),
        uuid: format!("MIG-{at}").into(),
        mig: Some(MigInfo {
            gpu_instance: Some(7 + at),
            compute_instance: Some(0),
            ..MigInfo::default()
        }),
        ..GpuInfo::default()
    };
    (0..4).map(card).chain((0..2).map(slice)).map(Arc::new).collect()
}

/// Two cards of AMD behind one of NVIDIA.
fn mixed() -> Vec<Arc<GpuInfo>> {
    let card = |at: u32, driver: &str, minor| {
        let modes = GpuModes { minor: Some(minor), ..GpuModes::default() };
        let uuid = format!("GPU-{at}{at}-m").into();
        Arc::new(GpuInfo {
            gpu: GpuId(at),
            uuid,
            driver: driver.into(),
            modes,
            ..GpuInfo::default()
        })
    };
    vec![card(0, "580.65.06", 0), card(1, "amdgpu", 129), card(2, "amdgpu", 130)]
}

pub(in crate::source::trainer) fn env(variables: &[(&'static str, &str)]) -> Env {
    Reading::Is(variables.iter().map(|(name, value)| (*name, (*value).into())).collect())
}

fn of(variables: &[(&'static str, &str)], devices: &Devices) -> Order {
    let env = env(variables);
    order(&Told { env: &env, devices }, Maker::Nvidia, &cards()).unwrap()
}

fn seen(list: &str) -> Vec<u32> {
    let order = of(&[("CUDA_VISIBLE_DEVICES", list)], &Devices::Ours);
    order.gpus.iter().map(|gpu| gpu.0).collect()
}

fn index(order: &Order, gpu: u32, held: &[u32]) -> Option<(u64, IndexSource)> {
    order.index(GpuId(gpu), &held.iter().copied().map(GpuId).collect())
}

#[test]
fn a_list_ends_at_its_first_entry_that_names_no_gpu() {
    assert_eq!(seen("0,2,-1,1"), [0, 2]);
    assert_eq!(seen("GPU-22, GPU-00-a"), [2, 0]);
    assert_eq!(seen("GPU-,1"), [0_u32; 0], "that fits several");
    assert_eq!(seen(""), [0_u32; 0]);
    let (first, second) = (GpuId(3).slice(0).unwrap().0, GpuId(3).slice(1).unwrap().0);
    assert_eq!(seen("MIG-1,MIG-GPU-33-a/7/0"), [second, first]);
}

#[test]
fn the_first_of_the_list_is_cuda_0() {
    let by_bus = ("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    let order = of(&[("CUDA_VISIBLE_DEVICES", "3,1"), by_bus], &Devices::Ours);
    assert_eq!(index(&order, 1, &[1, 3]), Some((1, IndexSource::Listed)));
    assert_eq!(index(&order, 3, &[3]), Some((0, IndexSource::Listed)));
    let order = of(&[("CUDA_VISIBLE_DEVICES", "GPU-11,GPU-00")], &Devices::Ours);
    assert_eq!(index(&order, 0, &[0]), Some((1, IndexSource::Listed)));
    // Without a list, and without an order that was asked for, because the cards are alike.
    let order = of(&[], &Devices::Ours);
    assert_eq!(index(&order, 2, &[2]), Some((2, IndexSource::Inferred)));
}

#[test]
fn unlike_cards_are_in_no_known_order_but_for_the_only_one_of_a_process() {
    let mut cards = cards();
    cards[1] = Arc::new(GpuInfo { name: "T4".into(), ..GpuInfo::clone(&cards[1]) });
    let of = |list: Option<&'static str>| {
        let env =
            env(&list.map(|list| ("CUDA_VISIBLE_DEVICES", list)).into_iter().collect::<Vec<_>>());
        order(&Told { env: &env, devices: &Devices::Ours }, Maker::Nvidia, &cards).unwrap()
    };
    assert_eq!(index(&of(None), 0, &[0]), None);
    assert_eq!(index(&of(Some("0,1")), 0, &[0]), None);
    assert_eq!(index(&of(Some("2")), 1, &[1]), Some((0, IndexSource::Only)));
    assert_eq!(index(&of(Some("GPU-11,GPU-22")), 2, &[2]), Some((1, IndexSource::Listed)));
}

#[test]
fn a_list_that_does_not_fit_what_is_held_tells_nothing() {
    let order = of(&[("CUDA_VISIBLE_DEVICES", "0,1")], &Devices::Ours);
    // The program set another one before it began.
    assert_eq!(index(&order, 2, &[2]), None);
    let alone = of(&[("CUDA_VISIBLE_DEVICES", "1")], &Devices::Ours);
    assert_eq!(index(&alone, 2, &[2]), None);
    assert_eq!(index(&alone, 1, &[1]), Some((0, IndexSource::Only)));
    assert_eq!(index(&order, 0, &[0, 2]), None);
    assert_eq!(index(&of(&[("CUDA_VISIBLE_DEVICES", "0,0")], &Devices::Ours), 0, &[0]), None);
}

#[test]
fn numbers_within_a_container_begin_anew() {
    let devices = Devices::These { nvidia: [0, 1].into(), render: BTreeSet::new() };
    // Files 1 and 0 are those of the last two cards.
    let order = of(&[], &devices);
    assert_eq!(order.gpus, [GpuId(2), GpuId(3)]);
    assert_eq!(index(&order, 3, &[3]), Some((1, IndexSource::Inferred)));
    let order = of(&[("CUDA_VISIBLE_DEVICES", "1")], &devices);
    assert_eq!(index(&order, 3, &[3]), Some((0, IndexSource::Only)));
    assert_eq!(index(&of(&[], &Devices::Unknown), 3, &[3]), None);
    let strange = Devices::These { nvidia: [0, 9].into(), render: BTreeSet::new() };
    assert_eq!(index(&of(&[], &strange), 3, &[3]), None, "mltop does not see one of them");
}

#[test]
fn slurm_may_or_may_not_hide_the_cards_of_others() {
    let of = |slurm, cuda| {
        let variables = [("SLURM_JOB_GPUS", slurm), ("CUDA_VISIBLE_DEVICES", cuda)];
        of(&variables, &Devices::Ours)
    };
    // By device files, which count the other way round: cards 1 and 2.
    assert_eq!(of("1,2", "0,1").gpus, [GpuId(1), GpuId(2)], "hidden: numbers begin anew");
    assert_eq!(of("0,3", "0,3").gpus, [GpuId(0), GpuId(3)], "not hidden");
    let doubtful = of("1,2", "1");
    assert!(!doubtful.doubt.is_empty(), "{doubtful:?}");
    assert_eq!(index(&doubtful, 2, &[2]), Some((0, IndexSource::Only)), "one is one");
    assert_eq!(of("2,3", "0,1").doubt, "", "both mean the same");
}

#[test]
fn a_card_in_parts_is_not_counted_as_one() {
    let mut cards = cards();
    let modes = GpuModes { mig: Some(true), ..cards[3].modes.clone() };
    cards[3] = Arc::new(GpuInfo { modes, ..GpuInfo::clone(&cards[3]) });
    let slice = GpuId(3).slice(1).unwrap();
    let of = |variables: &[(&'static str, &str)]| {
        let env = env(variables);
        order(&Told { env: &env, devices: &Devices::Ours }, Maker::Nvidia, &cards).unwrap()
    };
    assert_eq!(index(&of(&[]), 0, &[0]), None);
    let named = of(&[("CUDA_VISIBLE_DEVICES", "MIG-1")]);
    assert_eq!(index(&named, slice.0, &[slice.0]), Some((0, IndexSource::Only)));
}

#[test]
fn amd_s_cards_are_counted_by_themselves_and_narrowed_twice() {
    let of = |variables: &[(&'static str, &str)], devices: &Devices| {
        let env = env(variables);
        let told = Told { env: &env, devices };
        (told.maker(&mixed()), order(&told, Maker::Amd, &mixed()).unwrap())
    };
    let (maker, plain) = of(&[], &Devices::Ours);
    assert_eq!(maker, Some(Maker::Nvidia));
    assert_eq!(index(&plain, 2, &[2]), Some((1, IndexSource::Inferred)));
    let twice = [("ROCR_VISIBLE_DEVICES", "1,0"), ("HIP_VISIBLE_DEVICES", "0")];
    let (maker, narrowed) = of(&twice, &Devices::Ours);
    assert_eq!((maker, narrowed.by), (Some(Maker::Amd), "HIP_VISIBLE_DEVICES"));
    assert_eq!(narrowed.gpus, [GpuId(2)]);
    assert_eq!(index(&narrowed, 2, &[2]), Some((0, IndexSource::Only)));
    let (_, cuda) = of(&[("CUDA_VISIBLE_DEVICES", "1,0")], &Devices::Ours);
    assert_eq!(cuda.gpus, [GpuId(2), GpuId(1)]);
    let (_, both) =
        of(&[("CUDA_VISIBLE_DEVICES", "1"), ("HIP_VISIBLE_DEVICES", "0")], &Devices::Ours);
    assert_eq!(both.gpus, [GpuId(1)], "HIP's own stands before CUDA's");
    let one = Devices::These { nvidia: BTreeSet::new(), render: [128, 130].into() };
    assert_eq!(of(&[], &one).1.gpus, [GpuId(2)]);
    let ordinal = of(&[("GPU_DEVICE_ORDINAL", "1")], &Devices::Ours).1;
    assert_eq!(index(&ordinal, 1, &[1]), None);
}

#[test]
fn what_may_not_be_read_and_intel_s_cards_have_no_order() {
    let denied = Reading::Not(Gap::Denied);
    let told = Told { env: &denied, devices: &Devices::Ours };
    assert_eq!(order(&told, Maker::Nvidia, &cards()), None);
    let free = env(&[]);
    assert_eq!(order(&Told { env: &free, devices: &Devices::Ours }, Maker::Intel, &cards()), None);
}

/// A box with so many like cards, and a list of words for it.
fn lists() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => (0_u32..6).prop_map(|number| number.to_string()),
        2 => (0_u32..5).prop_map(|number| format!("GPU-{number}{number}")),
        1 => Just("-1".to_owned()),
        1 => "[-0-9:/GPUMIG. ]{0,12}",
    ];
    proptest::collection::vec(word, 0..7).prop_map(|words| words.join(","))
}

proptest! {
    #[test]
    fn an_index_is_the_place_in_the_list_of_a_card_that_is_held(
        list in proptest::option::of(lists()),
        slurm in proptest::option::of(lists()),
        order in proptest::option::of(Just("PCI_BUS_ID")),
        held in proptest::collection::btree_set(0_u32..4, 0..4),
        files in proptest::option::of(proptest::collection::btree_set(0_u32..5, 0..4)),
    ) {
        let variables = [("CUDA_VISIBLE_DEVICES", list.as_deref()), ("SLURM_JOB_GPUS", slurm.as_deref()), ("CUDA_DEVICE_ORDER", order)];
        let env: Vec<_> = variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let devices = files.map_or(Devices::Ours, |nvidia| Devices::These { nvidia, render: BTreeSet::new() });
        let order = of(&env, &devices);
        let held: BTreeSet<GpuId> = held.into_iter().map(GpuId).collect();
        let mut counted = BTreeSet::new();
        for gpu in (0..4).map(GpuId) {
            let Some((index, source)) = order.index(gpu, &held) else { continue };
            prop_assert!(counted.insert(index), "two cards with one index");
            if source == IndexSource::Only {
                prop_assert!(index == 0 && held.contains(&gpu) && held.len() == 1);
            } else {
                prop_assert_eq!(order.gpus[index as usize], gpu);
                prop_assert!(order.doubt.is_empty());
                prop_assert!(held.iter().all(|gpu| order.gpus.contains(gpu)));
            }
        }
    }
}
