"""Labelled videos in the layouts that public datasets come in."""

import numpy as np
import pytest
from clips import LABELS, make_clips

from seesay.base.errors import DataError, UnknownNameError
from seesay.data import open_source
from seesay.data.actions import LABEL_FILES, TEMPLATES, label_names, sentences
from seesay.data.source import Pass
from seesay.data.videos import LAYOUTS, Span, is_video_address, open_videos
from seesay.evaluation.prompts import find_prompts

COUNTS = {"ucf101": 101, "hmdb51": 51, "kinetics400": 400}


def put(root, *names):
    """Empty files, and folders for them: no reader opens a video."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def found(address):
    videos = open_videos(address)
    return [(video.path.name, *(videos.classes[label] for label in video.labels)) for video in videos.videos]


@pytest.mark.parametrize("name", LABEL_FILES)
def test_label_files_have_as_many_names_as_the_dataset_has_classes(name):
    names = label_names(name)
    assert len(names) == len(set(names)) == COUNTS[name]
    assert all(each == each.strip() and "_" not in each for each in names)


def test_ucf101_is_called_as_the_paper_calls_it():
    assert label_names("ucf101") == find_prompts("ucf101").names


def test_an_unknown_label_file_is_named():
    with pytest.raises(UnknownNameError, match="ucf101"):
        label_names("ucf11")


def test_there_are_sixteen_templates_each_with_one_place():
    assert len(set(TEMPLATES)) == 16
    assert all(template.count("{}") == 1 for template in TEMPLATES)
    assert sentences("a {brace}")[7] == "a {brace}"


def test_ucf101(tmp_path):
    write(tmp_path / "ucfTrainTestlist" / "classInd.txt", "1 ApplyEyeMakeup", "2 HandstandPushups")
    write(
        tmp_path / "ucfTrainTestlist" / "trainlist02.txt",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1",
        "HandstandPushups/v_HandStandPushups_g08_c01.avi 2",
    )
    write(tmp_path / "ucfTrainTestlist" / "testlist01.txt", "HandstandPushups/v_HandStandPushups_g01_c01.avi")
    put(
        tmp_path / "UCF-101",
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
        "HandstandPushups/v_HandStandPushups_g08_c01.avi",
        "HandstandPushups/v_HandStandPushups_g01_c01.avi",
    )
    assert found(f"ucf101:{tmp_path}#train2") == [
        ("v_ApplyEyeMakeup_g08_c01.avi", "Apply Eye Makeup"),
        ("v_HandStandPushups_g08_c01.avi", "Hand Stand Pushups"),
    ]
    assert found(f"ucf101:{tmp_path}") == [("v_HandStandPushups_g01_c01.avi", "Hand Stand Pushups")]


def test_hmdb51_takes_ones_to_train_on_and_twos_to_test_on(tmp_path):
    lists = tmp_path / "testTrainMulti_7030_splits"
    write(lists / "brush_hair_test_split1.txt", "a.avi 1 ", "b.avi 2 ", "c.avi 0 ")
    write(lists / "wave_test_split1.txt", "d.avi 2 ")
    put(tmp_path, "brush_hair/a.avi", "brush_hair/b.avi", "brush_hair/c.avi", "wave/d.avi")
    assert found(f"hmdb51:{tmp_path}#train1") == [("a.avi", "brush hair")]
    assert found(f"hmdb51:{tmp_path}#test1") == [("b.avi", "brush hair"), ("d.avi", "wave")]


@pytest.mark.parametrize("place", ["val/{stem}", "val/air drumming/{stem}", "val/air_drumming/{stem}"])
def test_kinetics_flat_or_in_folders_and_without_what_was_lost(place, tmp_path):
    write(
        tmp_path / "annotations" / "val.csv",
        "label,youtube_id,time_start,time_end,split",
        "air drumming,abc,10,20,validate",
        "zumba,lost,0,10,validate",
    )
    put(tmp_path, place.format(stem="abc_000010_000020.mp4"))
    videos = open_videos(f"kinetics:{tmp_path}#val")
    assert videos.classes == label_names("kinetics400")
    assert [videos.classes[video.labels[0]] for video in videos.videos] == ["air drumming"]
    assert videos.num_missing == 1


def test_charades_has_several_labels_and_their_times(tmp_path):
    write(tmp_path / "Charades" / "Charades_v1_classes.txt", "c000 Holding some clothes", "c001 Putting clothes away")
    write(
        tmp_path / "Charades" / "Charades_v1_test.csv",
        "id,subject,actions,length",
        'AAAAA,X,"c001 1.50 3.00;c000 0.00 9.00;c001 5.00 6.00",9.0',
        "BBBBB,X,,9.0",
        "LOST1,X,c000 0.00 1.00,2.0",
    )
    put(tmp_path / "Charades_v1_480", "AAAAA.mp4", "BBBBB.mp4")
    videos = open_videos(f"charades:{tmp_path}#test")
    assert videos.is_several
    assert videos.num_missing == 1
    assert videos.classes == ("Holding some clothes", "Putting clothes away")
    np.testing.assert_array_equal(videos.marks(), [[True, True], [False, False]])
    assert videos.videos[0].spans == (Span(1.5, 3.0, 1), Span(0.0, 9.0, 0), Span(5.0, 6.0, 1))


def test_a_list_as_tsn_and_actionclip_have_it(tmp_path):
    write(tmp_path / "my_labels.csv", "id,name", "0,waving", "1,walking away")
    write(tmp_path / "train.txt", "clips/a clip 30 1", "clips/b.mp4 20 0")
    put(tmp_path, "clips/a clip/img_00001.jpg", "clips/b.mp4")
    assert found(f"list:{tmp_path / 'train.txt'}") == [("a clip", "walking away"), ("b.mp4", "waving")]


def test_folders_of_videos_or_of_frames(tmp_path):
    assert {name for _, name in found(make_clips(tmp_path, count=2, part="train"))} == set(LABELS)
    put(tmp_path, "train/moving_left/clip.mp4", "train/moving_left/notes.txt")
    assert len(open_videos(f"videos:{tmp_path}#train").videos) == 5


def test_frames_stand_in_for_a_missing_file(tmp_path):
    write(tmp_path / "classInd.txt", "1 YoYo")
    write(tmp_path / "testlist01.txt", "YoYo/v_YoYo_g01_c01.avi")
    put(tmp_path, "YoYo/v_YoYo_g01_c01/img_00001.jpg")
    assert found(f"ucf101:{tmp_path}") == [("v_YoYo_g01_c01", "Yo Yo")]


def test_what_is_an_address_of_videos():
    assert all(is_video_address(f"{layout}:x#train") for layout in LAYOUTS)
    assert not any(map(is_video_address, ["a.tar", "pairs.csv", "s3://bucket/a.tar", "hf:org/name", "/data/pairs"]))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("videos:/no/such/folder", "is not there"),
        ("ucf101:{root}", "has no classInd"),
        ("ucf101:{root}#val", "no part 'val'"),
        ("kinetics:{root}#val", "cannot be read"),
        ("videos:{root}", "has no video"),
        ("list:{root}", "needs one table of labels"),
    ],
)
def test_what_is_not_there_is_said(address, reason, tmp_path):
    with pytest.raises(DataError, match=reason):
        open_videos(address.format(root=tmp_path))


def test_an_example_says_its_label_in_every_template_and_matches_its_class(tmp_path):
    source = open_source(make_clips(tmp_path, count=2))
    examples = [example for example, _ in source.stream(Pass(seed=0, epoch=0))]
    assert len(examples) == 4
    assert {example.group for example in examples} == set(LABELS)
    assert all(example.captions == sentences(example.group) for example in examples)


def test_an_example_with_several_labels_says_which_of_them_each_caption_says(tmp_path):
    write(tmp_path / "Charades_v1_classes.txt", "c000 Holding some clothes", "c001 Putting clothes away")
    write(tmp_path / "Charades_v1_train.csv", "id,actions", 'A,"c001 1.0 3.0;c000 0.0 9.0"', "B,", "C,c000 0.0 1.0")
    put(tmp_path, "A.mp4", "B.mp4", "C.mp4")
    examples = [one for one, _ in open_source(f"charades:{tmp_path}#train").stream(Pass(seed=0, epoch=0))]
    assert sorted(len(example.captions) for example in examples) == [16, 32]  # one without labels teaches nothing
    for example in examples:
        assert example.group is None
        assert all(label in caption for caption, label in zip(example.captions, example.labels, strict=True))


def test_a_stream_goes_on_from_any_place_and_processes_share_it(tmp_path):
    source = open_source(make_clips(tmp_path, count=3))
    whole = list(source.stream(Pass(seed=1, epoch=2)))
    for place in range(len(whole)):
        assert list(source.stream(Pass(seed=1, epoch=2), (place,))) == whole[place:]
    shared = [example.key for rank in range(2) for example, _ in source.stream(Pass(1, 2, rank, 2))]
    assert sorted(shared) == sorted(example.key for example, _ in whole)
