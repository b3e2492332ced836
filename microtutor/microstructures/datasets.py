"""Where the real micrographs come from: public sources, licences and checksums, in the table `DATASETS`.

`microtutor.downloads` does the work, and serves whatever else is downloaded once and kept: the larger weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from microtutor.downloads import cache_folder, fetch_from


@dataclass(frozen=True)
class DataSet:
    """One set of micrographs: what it shows, who made it, and the files at its public source.

    Attributes:
        title: what it shows.
        licence: what it may be used for, and who says so.
        citation: what to cite when you use it.
        repository, commit: the public source on GitHub, as owner/name, and the state of it that is used.
        files: the sha256 of each file, by its folder in the repository and its name.
    """

    title: str
    licence: str
    citation: str
    repository: str
    commit: str
    files: Mapping[str, Mapping[str, str]]


DATASETS = {
    "li2018": DataSet(
        title="Seven microstructures of Li et al. (2018), segmented and resized to 256 x 256",
        licence="CC BY 4.0; changed: segmented and resized",
        citation="X. Li, Y. Zhang, H. Zhao, C. Burkhart, L. C. Brinson and W. Chen, A transfer learning approach for "
        "microstructure reconstruction and structure-property predictions, Scientific Reports 8, 13461 (2018), "
        "https://doi.org/10.1038/s41598-018-31571-7",
        repository="NEFM-TUDresden/MCRpy",
        commit="08b51b7c3be4dd9336d0b45c542fe8a18904a00e",
        files={
            "example_microstructures": {
                "alloy_resized.npy": "e9c5bfebd02f4a237dcda5b7cebeb20949f26c9a72a0aa0344084abf417752a6",
                "carbonate_resized.npy": "2f3b38eaec9ae4f3bbb25c611015d8d42c04d2a850de2feaec5067becf82d043",
                "ceramics_resized.npy": "f1650cb3237f8dd95b02905b11b8e2080688e34d4e4a247141b462899c62a4cb",
                "composite_resized.npy": "41e8cde1a99220be81648c08d1d024f4a42925743cda76882a522a4102d1d783",
                "copolymer_resized.npy": "67b46ce518077018387f43df348ac7c77a75a4040597858b75624fdfc5c2153a",
                "pmma_resized.npy": "bb99228666c1eaf9fb8417e98db442182f8912b6d8ce8285fdab28bb8f90d6db",
                "sandstone_resized.npy": "6098034f56b695e1ccdf51698b7115c6a1975c29f6d910ba490117dab32f15a1",
            },
        },
    ),
    "steel": DataSet(
        title="Super duplex stainless steel, a map of its phases by electron backscatter diffraction, 100 x 117",
        licence="CC BY 4.0",
        citation="Acquired by J. Hjelen (NTNU); part of the data of orix, https://doi.org/10.5281/zenodo.6199723",
        repository="pyxem/orix-data",
        commit="fd9d2fa9b771b60b63956a0001425be7c8a5f141",
        files={
            "sdss_ferrite_austenite": {
                "sdss_ferrite_austenite.ang": "ac2fc2fc2b8c9c598703c96f9888677bccc9cd88cddd5e78735653fd5504e371",
            },
        },
    ),
    "rock": DataSet(
        title="Berea sandstone, 400^3 voxels, and Ketton limestone, 256^3 voxels: segmented micro-CT scans",
        licence="MIT (the repository); scans published by Imperial College London",
        citation="L. Mosser, O. Dubrule and M. J. Blunt, Reconstruction of three-dimensional porous media using "
        "generative adversarial neural networks, Physical Review E 96, 043309 (2017), "
        "https://doi.org/10.1103/PhysRevE.96.043309",
        repository="LukasMosser/PorousMediaGan",
        commit="14775b026b59f04d8bd235cb55a68142c519639e",
        files={
            "data/berea/original/raw": {
                "berea.zip": "5728a6e8f2aee9bba5b3e732eec8c08f32642f841b3cf08da69d8972d0d334c9",
            },
            "data/ketton/original/raw": {
                "ketton.zip": "c7d024693d4028a0909736a81e8bea8bef21dab00be1717a118e3246a8e9e203",
            },
        },
    ),
    "superalloy": DataSet(
        title="Nickel-base superalloy: scanning electron micrographs of 512 x 512 with their expert segmentation",
        licence="MIT (stated for the data)",
        citation="J. Stuckner, B. Harder and T. M. Smith, Microstructure segmentation with deep learning encoders "
        "pre-trained on a large microscopy dataset, npj Computational Materials 8, 200 (2022), "
        "https://doi.org/10.1038/s41524-022-00878-5",
        repository="nasa/pretrained-microscopy-models",
        commit="f50b5689a71cf6f86016fb4a5c5a2bb31e0397f3",
        files={
            "benchmark_segmentation_data/Super1/val_annot": {
                "spot1_0d_0_mask.tif": "aa37d891a42483c251430363f5781385a7bedaf9ebb1337e6e4ee8f183f62d47",
                "spot1_0d_1_mask.tif": "3e8641ac0e8e8cdc5324b194ab54be34065ee167b6e32d9a8412c0d9e242febb",
                "spot1_180d_5_mask.tif": "09f967aec196c6b591050debbdec3c4b20d8cf29eec25905fcc8962fc1cfc873",
                "spot1_180d_6_mask.tif": "357bf7b20ceb6d9834b1d14c6341efae6c85cb1272cb3554b1d9222316e6beef",
            },
            "benchmark_segmentation_data/Super1/test": {
                "spot2_0d_0.tif": "a9d96a2a0c2dda8ecf28d63439a221d27d456f6de7cc176c3ab9237580ca9707",
                "spot2_0d_4.tif": "0f03c0bb2db35e5ee0b634f3015a6fb7c6acb17b6f073b531e9fe603e01baae9",
                "spot2_180d_3.tif": "b6f5eeb03d3600b9671e99400358cc6a747c86ee88e3fa7ed8020631504c10be",
                "spot2_180d_5.tif": "15d555c67a8e564d12c177ae2404f626429724222f6a1dc1e2c33ada7140610a",
            },
            "benchmark_segmentation_data/Super1/test_annot": {
                "spot2_0d_0_mask.tif": "507fcd56c0b4f39909fd1a50e5afb7c89c23b5a914c079ba58827f5a0ed429e7",
                "spot2_0d_4_mask.tif": "3082e0d65aed96fc121b9e4f71185c284cccbc52aefa38a4e97614ffd76c92e1",
                "spot2_180d_3_mask.tif": "2f4fc00786cdd8131916c7451f40fc778e8de90b6c75ba3e327bc1f91e821d5f",
                "spot2_180d_5_mask.tif": "66110afcaab8984e76a61857e98f912c27c88a1ffd25c86808277ab728eff0e4",
            },
            "benchmark_segmentation_data/Super1/train_annot": {
                "spot3_0d_3_mask.tif": "c3dfd88307adbed01c4a05d914a271064a1b43ea0d813d6af107d985570bc353",
                "spot3_180d_2_mask.tif": "1c5a7a85573918bc562778fe86488019523c5b1697b4d0cd44f03ffa16c951e2",
                "spot4_0d_3_mask.tif": "804c0af608abc9890fe72d0ded2797acce02fbffc09aabe99b3e52028576e828",
                "spot4_180d_2_mask.tif": "b59515d450ee3e475eb042f008da09d6252ff2969d5dab26441d4686ee4d3f1b",
                "spot5_0d_0_mask.tif": "4b510f7d78f2a0f87e0f99dd2d86ea78aad93a51e0b41b568fc67787134d300d",
                "spot5_180d_2_mask.tif": "c93d9e1fd81beb96788737b9697553492c6e77de4f495ea8a924109612369adb",
                "spot6_0d_2_mask.tif": "155767843eaac47e3c8b7f49d892cc58c6fe0f49406d56f1f0e850c6ff004605",
                "spot6_180d_7_mask.tif": "d21d2addfec9236ee9f1857ff2544c7f86a73003c183c12ad50716da9bd9023f",
                "spot7_0d_5_mask.tif": "0003c6c368737390f37fcccc05e0a7d5fba60aece05d5709da5eb7c162d206d3",
                "spot7_180d_3_mask.tif": "936b97aed444c7644c5fd36234302f97146aadf00e7ee930e9b9b132a267203a",
            },
        },
    ),
}


def fetch(name: str) -> Path:
    """The path of a file of a data set, which is downloaded if it is not in the cache folder yet.

    Args:
        name: data set and file, such as "rock/berea.zip". Files lie at these names in the cache folder.

    Raises:
        ValueError: no such file in `DATASETS`; or its sha256 is not the one in `DATASETS`. Such a file is not used. One
            that lay in the cache stays there untouched, one that was downloaded is not kept.
        FileNotFoundError: it is not in the cache and cannot be downloaded; says where to get it and where to put it.
    """
    return fetch_from(*_source(name), name)


def files(name: str) -> list[str]:
    """The names of a data set's files, as `fetch` takes them.

    >>> files("rock")
    ['rock/berea.zip', 'rock/ketton.zip']
    """
    if name not in DATASETS:
        raise ValueError(f"expected a data set, one of {', '.join(DATASETS)}, got {name!r}")
    return [f"{name}/{file}" for folder in DATASETS[name].files.values() for file in folder]


def available(*names: str) -> bool:
    """Whether all files named, or all files of the data sets named, are in the cache folder; downloads nothing.

    >>> available()
    True
    """
    wanted = [file for name in names for file in ([name] if "/" in name else files(name))]
    for file in wanted:
        _source(file)
    return all((cache_folder() / file).is_file() for file in wanted)


def _source(name: str) -> tuple[str, str]:
    """Address and sha256 of a file."""
    folder = name.split("/")[0]
    known = files(folder)
    data = DATASETS[folder]
    for path, sums in data.files.items():
        for file, sha256 in sums.items():
            if name == f"{folder}/{file}":
                return f"https://raw.githubusercontent.com/{data.repository}/{data.commit}/{path}/{file}", sha256
    raise ValueError(f"expected a file of {folder}, one of {', '.join(known)}, got {name!r}")
