"""What a user types, through the real program."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from films import film
from painting import paint
from PIL import ExifTags, Image


def test_index_then_search_by_text_and_picture(run, photos):
    done = run("index", "photos")
    assert done.stdout.splitlines()[0] == "3 added, 0 changed, 0 moved, 0 removed, 0 unchanged, 0 failed"
    lines = run("search", "something red", "--limit", "2", "--weak").stdout.splitlines()
    assert len(lines) == 2
    score, path = lines[0].split("  ")
    assert -1 <= float(score) <= 1
    assert path.startswith("photos/")
    assert run("search", "photos/blue.png", "-n", "1").stdout.split() == ["1.000", "photos/blue.png"]
    assert "0 added" in run("index").stdout


def test_search_for_pipes(run, photos):
    run("index", "photos")
    found = [json.loads(line) for line in run("search", "red", "--weak", "--json").stdout.splitlines()]
    assert {entry["path"] for entry in found} == {str(path) for path in photos.iterdir()}
    assert all(set(entry) == {"path", "score", "kind", "id"} for entry in found)
    paths = run("search", "red", "--weak", "--paths").stdout.splitlines()
    assert sorted(paths) == sorted(str(path) for path in photos.iterdir())
    zeroed = run("search", "red", "--weak", "-0").stdout
    assert zeroed.split("\0")[:-1] == paths
    piped = subprocess.run(
        f"{sys.executable} -m seesay search red --weak --paths | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=photos.parent,
        env=run.environment,
    )
    assert (piped.stdout.splitlines(), piped.stderr) == (paths[:1], "")


def test_a_name_that_is_not_utf8_comes_out_as_its_bytes(run, photos):
    odd = os.fsencode(photos) + b"/caf\xe9.png"
    shutil.copy(os.fsencode(photos / "red.png"), odd)
    run("index", "photos")
    assert odd in run("search", "red", "--weak", "-0", text=False).stdout.split(b"\0")
    assert r"$'photos/caf\xe9.png'" in run("search", "red", "--weak").stdout


def test_sums_and_under(run, photos):
    (photos / "trip").mkdir()
    paint(photos / "trip" / "sky.png", (90, 90, 250))
    run("index", "photos")
    assert run("search", "photos/blue.png", "-", "photos/red.png", "-n1").stdout.split()[1] != "photos/red.png"
    assert run("search", "2:red", "+", "0.5:blue", "--under", "photos/trip", "--paths").stdout.splitlines() == [
        str(photos / "trip" / "sky.png")
    ]


def test_nothing_found_is_exit_code_1_and_says_why(run, photos):
    run("index", "photos")
    found = run("search", "a spreadsheet of taxes", code=1)
    assert found.stderr == "nothing here matches; --weak shows what comes nearest\n"
    found = run("search", "red", "--after", "2090-01-01", code=1)
    assert found.stderr == "nothing in the library was taken or changed since 2090-01-01\n"
    found = run("search", "red", "--weak", "--offset", "3", code=1)
    assert found.stderr == "there are no results beyond those; a smaller --offset shows them\n"


def test_places_that_hold_nothing_are_errors_and_several_are_one_search(run, photos):
    run("index", "photos")
    found = run("search", "red", "--under", "photos", "--under", "nowhere", code=2)
    assert found.stderr == "seesay: nowhere: nothing of the library is there; it holds: photos\n"
    (photos.parent / "link").symlink_to(photos)
    both = run("search", "red", "--under", "link/red.png", "--under", "photos/blue.png", "--weak", "--paths").stdout
    assert sorted(both.splitlines()) == [str(photos / "blue.png"), str(photos / "red.png")]


def test_copies_are_one_result_by_date_with_the_date(run, photos):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2021:03:04 05:06:07"
    Image.new("RGB", (40, 40), (255, 0, 0)).save(photos / "old.jpg", exif=exif)
    shutil.copy(photos / "old.jpg", photos / "again.jpg")
    run("index", "photos")
    (best,) = run("search", "photos/old.jpg", "--min-score", "0.99").stdout.splitlines()
    assert best in ("1.000  photos/old.jpg  +1", "1.000  photos/again.jpg  +1")
    assert len(run("search", "photos/old.jpg", "--all", "--min-score", "0.99").stdout.splitlines()) == 2
    newest = run("search", "red", "--sort", "date", "--min-score", "-1").stdout.splitlines()
    assert "  2021-03-04 05:06  photos/" in newest[-1]
    assert len(newest) == 4


def test_words_that_the_model_does_not_know_are_named(run, photos):
    run("index", "photos")
    said = run("search", "a kissa", "-", "girrafe", "--weak").stderr
    assert said == "`kissa`, `girrafe` are not words this model knows\n"
    assert run("classify", "photos/red.png", "--labels", "red,kissa").stderr.startswith("`kissa` is not")


def test_a_picture_may_be_piped_in(run, photos):
    run("index", "photos")
    with (photos / "blue.png").open("rb") as picture:
        found = run("search", "-", "+", "0.1:red", "-n", "1", stdin=picture).stdout
        assert found.endswith("  photos/blue.png\n")
    with (photos / "blue.png").open("rb") as picture:
        lines = run("classify", "-", "photos/red.png", "--labels", "blue,red", "--json", stdin=picture).stdout
        assert [json.loads(line)["path"] for line in lines.splitlines()] == ["-", "photos/red.png"]


def test_classify(run, photos):
    plain = run("classify", "photos/red.png", "--labels", "red,green,blue", "--top", "2").stdout.splitlines()
    assert len(plain) == 2
    assert all(line.split()[0].endswith("%") for line in plain)
    (photos / "labels.txt").write_text("red\n\ngreen \nblue\n")
    arguments = ["--labels-file", "photos/labels.txt", "--template", "a {} thing", "--template", "{}", "--json"]
    lines = run("classify", "photos/red.png", "photos/blue.png", *arguments).stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [entry["path"] for entry in found] == ["photos/red.png", "photos/blue.png"]
    assert sum(label["probability"] for label in found[0]["labels"]) == pytest.approx(1, abs=1e-4)


def test_classify_takes_folders_and_videos(run, photos):
    (photos / "deep").mkdir()
    film(photos / "deep" / "film.mp4", ("red", 1), ("blue", 1))
    (photos / "notes.txt").write_text("passed over")
    done = run("classify", "photos", "--labels", "red,green,blue", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    expected = [f"photos/{name}" for name in (*sorted(path.name for path in photos.glob("*.png")), "deep/film.mp4")]
    assert [entry["path"] for entry in found] == expected
    (photos / "deep" / "bad.jpg").write_text("no")
    done = run("classify", "photos/deep", str(photos / "red.png"), "--labels", "red,blue", "--top", "1", code=2)
    assert done.stdout.splitlines()[::2] == ["photos/deep/film.mp4", str(photos / "red.png")]
    assert "seesay: photos/deep/bad.jpg: " in done.stderr
    assert "1 file of 3 could not be read" in done.stderr
    (photos / "empty").mkdir()
    refused = run("classify", "photos/empty", "--labels", "red,blue", code=2)
    assert refused.stderr == "seesay: there is no picture or video in photos/empty\n"


def test_classify_goes_on_after_a_bad_file(run, photos):
    (photos / "bad.png").write_text("no")
    done = run("classify", "photos/bad.png", "photos/red.png", "--labels", "red,blue", code=2)
    assert "photos/bad.png: " in done.stderr
    assert "photos/red.png" in done.stdout


def test_the_ledger_and_retry(run, photos):
    (photos / "bad.jpg").write_text("this is a text")
    done = run("index", "photos")
    assert "1 failed" in done.stdout
    assert "why they failed: `seesay errors`" in done.stderr
    assert run("errors").stdout.startswith(f"{photos / 'bad.jpg'}: ")
    assert json.loads(run("errors", "--json").stdout)["path"] == str(photos / "bad.jpg")
    paint(photos / "ok.png", (1, 2, 3)).rename(photos / "bad.jpg")
    assert "1 added" in run("errors", "--retry").stdout
    assert run("errors").stderr == "no errors\n"


def test_list_shows_every_table(run):
    assert "starter" in run("list").stdout
    assert run("list", "backends").stdout.split() == ["onnx", "torch"]


def test_doctor_is_content_with_this_machine(run, photos):
    run("index", "photos")
    lines = run("doctor").stdout.splitlines()
    assert {line.split()[1] for line in lines} == {"versions", "extras", "backend", "model", "library", "disk"}
    assert all(line.startswith("ok") for line in lines)


def test_doctor_tells_a_damaged_library(run, photos, tmp_path):
    run("index", "photos")
    (tmp_path / "library" / "library.sqlite").write_bytes(b"garbage" * 1000)
    assert "FAIL  library" in run("doctor", code=1).stdout


def test_version_and_completion(run):
    assert run("--version").stdout.startswith("seesay ")
    # or typer takes the shell that started the tests, which may be one that it knows nothing of
    run.environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    assert "complete" in run("--show-completion", "bash").stdout.lower()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "red"], "there is no library in"),
        (["index"], "nothing was added yet"),
        (["index", "nowhere"], "there is no file or folder"),
        (["index", "photos", "--model", "startr"], "did you mean starter?"),
        (["search", "a", "-"], "ends with a sign"),
        (["search", "a", "--within", "5"], "--within is the time between"),
        (["index", "photos", "--every", "1", "--keyframes"], "either --every or --keyframes"),
        (["index", "photos", "--shots", "--keyframes"], "either --every or --keyframes or --shots"),
        (["index", "photos", "--every", "0"], "positive number of seconds"),
        (["classify", "photos/red.png"], "name the labels with either"),
        (["classify", "photos/red.png", "--labels", "a,a"], "given twice"),
        (["classify", "photos/red.png", "--labels-file", "nowhere.txt"], "cannot be read"),
        (["list", "modles"], "did you mean models"),
    ],
)
def test_an_error_is_one_line_that_names_the_cure(run, photos, arguments, message):
    done = run(*arguments, code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_second_index_run_says_so_and_stops(run, photos, tmp_path):
    for number in range(400):
        paint(photos / f"{number}.png", (number % 256, 0, 0))
    first = subprocess.Popen([sys.executable, "-m", "seesay", "index", "photos"], cwd=tmp_path, env=run.environment)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "library" / "writer.lock").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert "another process is writing" in run("index", "photos", code=2).stderr
    finally:
        assert first.wait(60) == 0


def test_ctrl_c_keeps_what_was_done_and_says_so(run, photos, tmp_path):
    import signal

    for number in range(600):
        paint(photos / f"{number}.png", (number % 256, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "seesay", "index", "photos"],
        cwd=tmp_path,
        env=run.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as first:
        time.sleep(2.5)
        first.send_signal(signal.SIGINT)
        _, stderr = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "run it again to go on" in stderr
    assert " 0 failed" in run("index").stdout


def test_importing_seesay_is_cheap():
    code = (
        "import sys, time; start = time.perf_counter(); import seesay; took = time.perf_counter() - start;"
        "print(took, 'torch' in sys.modules, 'onnxruntime' in sys.modules, 'numpy' in sys.modules)"
    )
    took, *loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert loaded == ["False", "False", "False"]
    assert float(took) < 0.3


def test_searching_imports_no_torch(run, photos):
    run("index", "photos")
    code = (
        "import sys, seesay; library = seesay.Library.open();"
        "print(len(library.search('red', weak=True)), 'torch' in sys.modules, 'PIL.Image' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=run.environment)
    assert done.stdout.split()[:2] == ["3", "False"]


def test_a_text_that_is_too_long_is_cut_and_said_to_be(run, photos):
    long = "red " * 300
    run("index", "photos")
    done = run("search", long, "-n", "1", "--weak")
    assert len(done.stdout.splitlines()) == 1
    assert "seesay: the text 'red red" in done.stderr
    assert "its end was cut" in done.stderr
    done = run("classify", "photos/red.png", "--labels", f"{long},blue", "--template", "{}")
    assert len(done.stdout.splitlines()) == 2
    assert "its end was cut" in done.stderr
    assert run("search", "red", "--weak").stderr == ""


def test_an_empty_argument_is_one_line_and_exit_code_2(run, photos, tmp_path):
    refused = run("index", "", code=2)
    assert refused.stderr.startswith("seesay: the argument after `index` is empty; a shell variable may not be set.")
    assert not (tmp_path / "library").exists()
