"""Face regions as photo managers write them, in sidecars and inside pictures: every form of the XML, every turn, and what is no face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from dinolabel.exporters.formats import xmp as sidecars
from dinolabel.exporters.importers import xmp
from dinolabel.exporters.importers.common.annotation_results import annotation_results
from dinolabel.exporters.importers.common.reading import ImportLog
from dinolabel.exporters.importers.common.records import ImportedImage, ImportUnreadable
from dinolabel.studio.label_configs.label_config import LabelConfig
from dinolabel.vision.decoding.pictures import open_image
from tests.doubles.annotated import Annotated, annotation, mixed, region, xml
from tests.unit.exporters.test_incoming_coco import BOX, boxes, picture

SIZE = (96, 64)
AREA = 'stArea:x="0.25" stArea:y="0.28125" stArea:w="0.33333333" stArea:h="0.375" stArea:unit="normalized"'
HEAD = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
 xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" xmlns:MP="http://ns.microsoft.com/photo/1.2/"
 xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
 xmlns:apple-fi="http://ns.apple.com/faceinfo/1.0/">"""
TAIL = '</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
FACE = f'<rdf:li><rdf:Description mwg-rs:Name="mina" mwg-rs:Type="Face"><mwg-rs:Area {AREA}/></rdf:Description></rdf:li>'
PERSON = '<rdf:li MPReg:PersonDisplayName="mina" MPReg:Rectangle="0.08333333, 0.09375, 0.33333333, 0.375"/>'


def mwg(*entries: str, size: tuple[int, int] | None = SIZE, bag: str = "Bag") -> str:
    dimensions = f'<mwg-rs:AppliedToDimensions stDim:w="{size[0]}" stDim:h="{size[1]}" stDim:unit="pixel"/>' if size else ""
    listed = f"<mwg-rs:RegionList><rdf:{bag}>{''.join(entries)}</rdf:{bag}></mwg-rs:RegionList>"
    return f'<mwg-rs:Regions rdf:parseType="Resource">{dimensions}{listed}</mwg-rs:Regions>'


def microsoft(*entries: str) -> str:
    listed = f"<MPRI:Regions><rdf:Bag>{''.join(entries)}</rdf:Bag></MPRI:Regions>"
    return f'<MP:RegionInfo rdf:parseType="Resource">{listed}</MP:RegionInfo>'


def write(path: Path, *content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + "".join(content) + TAIL, encoding="utf-8")
    return path


def read(path: Path, reading: ImportLog | None = None, media: Path | None = None) -> list[ImportedImage]:
    return list(xmp.read(path, media, reading or ImportLog()))


FORMS = {
    "digiKam": mwg(FACE),
    "Picasa": mwg(f'<rdf:li rdf:parseType="Resource"><mwg-rs:Area {AREA}/><mwg-rs:Name>mina</mwg-rs:Name></rdf:li>'),
    "attributes": mwg(f'<rdf:li mwg-rs:Name=" mina " mwg-rs:Type="Face"><mwg-rs:Area {AREA}/></rdf:li>', bag="Seq"),
    "ExifTool": mwg(
        "<rdf:li rdf:parseType='Resource'><mwg-rs:Area rdf:parseType='Resource'><stArea:h>0.375</stArea:h><stArea:unit>normalized"
        "</stArea:unit><stArea:w>0.33333333</stArea:w><stArea:x>0.25</stArea:x><stArea:y>0.28125</stArea:y></mwg-rs:Area>"
        "<mwg-rs:Name>mina</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li>"
    ),
    "a pet": mwg(FACE.replace("Face", "Pet")),
    "no size": mwg(FACE, size=None),
    "a smaller copy": mwg(FACE, size=(48, 32)),
    "pixels": mwg(FACE.replace(AREA, 'stArea:x="24" stArea:y="18" stArea:w="32" stArea:h="24" stArea:unit="pixel"')),
    "Microsoft": microsoft(PERSON),
    "Microsoft with elements": microsoft(
        "<rdf:li rdf:parseType='Resource'><MPReg:Rectangle>0.08333333,0.09375,0.33333333,0.375</MPReg:Rectangle>"
        "<MPReg:PersonDisplayName>mina</MPReg:PersonDisplayName></rdf:li>"
    ),
    "both": mwg(FACE) + microsoft(PERSON),
    "both, named once": mwg(FACE.replace('mwg-rs:Name="mina"', "")) + microsoft(PERSON),
    "with a focus": mwg(FACE, FACE.replace("Face", "Focus")),
}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_every_kind_of_picture_is_looked_into(tmp_path: Path, suffix: str) -> None:
    packet = (HEAD + mwg(FACE) + TAIL).encode()
    if suffix in (".jpg", ".webp"):
        PIL.Image.new("RGB", SIZE).save(tmp_path / f"a{suffix}", xmp=packet)
    elif suffix == ".tif":
        PIL.Image.new("RGB", SIZE).save(tmp_path / "a.tif", tiffinfo={700: packet})
    else:
        text = PIL.PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        PIL.Image.new("RGB", SIZE).save(tmp_path / "a.png", pnginfo=text)
    assert [each.boxes[0].label for each in read(tmp_path)] == ["mina"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("inside", [False, True], ids=["sidecar", "inside"])
def test_every_form_is_read(tmp_path: Path, form: str, inside: bool) -> None:
    if inside:
        PIL.Image.new("RGB", SIZE).save(tmp_path / "a.jpg", xmp=(HEAD + FORMS[form] + TAIL).encode())
    else:
        picture(tmp_path / "a.jpg")
        write(tmp_path / "a.jpg.xmp", FORMS[form])
    (found,) = read(tmp_path)
    assert [(label, pytest.approx(box, abs=0.001)) for label, box in boxes(found)] == [("mina", BOX)]
    assert not found.unread and found.looked_at and found.file == tmp_path / "a.jpg"


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["mwg", "microsoft"])
def test_shares_are_of_the_picture_before_its_turn(tmp_path: Path, turn: int, kind: str) -> None:
    stored = np.zeros((64, 96, 3), np.uint8)
    stored[6:30, 8:40] = 255
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    PIL.Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    write(tmp_path / "a.png.xmp", mwg(FACE) if kind == "mwg" else microsoft(PERSON))
    (found,) = read(tmp_path)
    x1, y1, x2, y2 = (round(each) for each in found.boxes[0].box.xyxy)
    shown = open_image(tmp_path / "a.png").pixels
    assert shown[y1:y2, x1:x2].min() == 255 and (x2 - x1) * (y2 - y1) == (shown[..., 0] == 255).sum()


def test_regions_that_were_made_on_the_turned_picture(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg", (64, 96), turn=6)  # upright it is 96 x 64
    write(tmp_path / "a.jpg.xmp", mwg(FACE))
    assert [(label, pytest.approx(box, abs=0.001)) for label, box in boxes(read(tmp_path)[0])] == [("mina", BOX)]


def test_a_picture_that_was_cropped_since_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "a.jpg.xmp", mwg(FACE, size=(50, 50)))
    reading = ImportLog()
    assert read(tmp_path, reading) == [] and [each.name for each in reading.refused] == ["a.jpg"]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (FACE.replace(AREA, 'stArea:x="0.5" stArea:y="0.5"'), "point"),
        (FACE.replace(AREA, 'stArea:x="0.5" stArea:y="0.5" stArea:d="0.1"'), "circle"),
        (FACE.replace("0.375", "0"), "no size"),
        (FACE.replace("0.375", "tall"), "no numbers"),
        (FACE.replace("Face", "BarCode"), "bar code"),
        (FACE.replace("0.25", "3"), "outside"),
    ],
)
def test_what_cannot_be_used_leaves_the_picture_undecided(tmp_path: Path, entry: str, kind: str) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "a.jpg.xmp", mwg(FACE, entry))
    (found,) = read(tmp_path)
    assert [mark.kind for mark in found.unread] == [kind] and len(found.boxes) == 1


def test_a_person_without_a_place_is_a_mark(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    write(tmp_path / "a.jpg.xmp", microsoft('<rdf:li MPReg:PersonDisplayName="mina"/>'))
    assert [[mark.kind for mark in each.unread] for each in read(tmp_path)] == [["person"]]


def test_faces_that_only_a_camera_saw_are_no_answer(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    camera = '<mwg-rs:Extensions rdf:parseType="Resource"><apple-fi:FaceID>1</apple-fi:FaceID></mwg-rs:Extensions>'
    entry = f'<rdf:li rdf:parseType="Resource"><mwg-rs:Type>Face</mwg-rs:Type><mwg-rs:Area {AREA}/>{camera}</rdf:li>'
    write(tmp_path / "a.jpg.xmp", mwg(entry, bag="Seq"))
    (found,) = read(tmp_path)
    assert [(each.label, each.verified) for each in found.boxes] == [(None, False)] and not found.looked_at
    (results,) = annotation_results(found, LabelConfig.parse(xml("mina")), "xmp: old")  # no answer that nothing is here
    assert len(results) == 1


@pytest.mark.parametrize(
    ("sidecar", "image", "media"),
    [
        ("a.jpg.xmp", "a.jpg", None),
        ("a.JPG.XMP", "a.JPG", None),
        ("a.xmp", "a.jpg", None),  # Lightroom
        ("sides/a.jpg.xmp", "photos/a.jpg", None),
        ("sides/a.xmp", "photos/a.JPG", None),
        ("sides/upload/1/a.jpg.xmp", "../mine/a.jpg", "../mine"),  # an export of ours
    ],
)
def test_where_pictures_lie(tmp_path: Path, sidecar: str, image: str, media: str | None) -> None:
    folder = tmp_path / "in"
    write(folder / sidecar, mwg(FACE))
    expected = picture((folder / image).resolve())
    (found,) = read(folder, media=(folder / media).resolve() if media else None)
    assert found.file == expected and len(found.boxes) == 1


def test_a_sidecar_counts_before_what_lies_inside(tmp_path: Path) -> None:
    PIL.Image.new("RGB", SIZE).save(tmp_path / "a.jpg", xmp=(HEAD + mwg(FACE) + TAIL).encode())
    write(tmp_path / "a.xmp", mwg(FACE.replace("mina", "third")))
    write(tmp_path / "a.jpg.xmp", mwg(FACE.replace("mina", "otto")))
    assert [each.boxes[0].label for each in read(tmp_path)] == ["otto"]


def test_pictures_without_a_region_do_not_arrive(tmp_path: Path) -> None:
    for name in "abcd":
        picture(tmp_path / f"{name}.jpg")
    write(tmp_path / "a.jpg.xmp", mwg(FACE))
    write(tmp_path / "b.jpg.xmp", "<!-- a rating -->")
    (tmp_path / "c.jpg.xmp").write_text("<x:xmpmeta")
    write(tmp_path / "gone.jpg.xmp", mwg(FACE))
    reading = ImportLog()
    assert [each.name for each in read(tmp_path, reading)] == ["a.jpg"]
    assert [each.name for each in reading.refused] == ["c.jpg.xmp", "gone.jpg.xmp"]
    assert [*reading.notes] == [f"3 pictures {xmp.WITHOUT}"]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine/a.jpg"
    mine.parent.mkdir()
    PIL.Image.new("RGB", SIZE).save(mine, xmp=(HEAD + mwg(FACE) + TAIL).encode())
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").symlink_to(mine)
    with pytest.raises(ImportUnreadable, match="no face region"):
        read(tmp_path / "in")
    assert len(read(mine)) == 1


def test_a_long_packet_is_put_together(tmp_path: Path) -> None:
    """Beyond 64 kB the rest of XMP lies in segments of its own, in any order."""
    PIL.Image.new("RGB", SIZE).save(tmp_path / "plain.jpg", xmp=(HEAD + "<!-- -->" + TAIL).encode())
    whole = (HEAD + mwg(FACE) + TAIL).split("?>", 1)[1].split("<?xpacket")[0].strip().encode()
    data, half = (tmp_path / "plain.jpg").read_bytes(), len(whole) // 2
    segments = b""
    for offset, part in ((half, whole[half:]), (0, whole[:half])):
        body = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + len(whole).to_bytes(4, "big") + offset.to_bytes(4, "big") + part
        segments += b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    (tmp_path / "a.jpg").write_bytes(data[:2] + segments + data[2:])
    assert [each.name for each in read(tmp_path)] == ["a.jpg"]


def test_our_own_sidecars_come_back(tmp_path: Path) -> None:
    world = mixed(tmp_path / "pictures")
    sidecars.export(world.tasks, world.config, tmp_path / "out", open_image=world.open, find=world.find)
    assert {box.label for each in read(tmp_path / "out", media=world.folder) for box in each.boxes} == {"jason", "lacy", None}
    other = Annotated(tmp_path / "other")
    other.add(annotation(1, region("a", (10, 20, 50, 60), "jason")))
    sidecars.export(other.tasks, other.config, tmp_path / "more", open_image=other.open, find=other.find)
    (found,) = read(tmp_path / "more", media=other.folder)
    assert found.boxes[0].box.xyxy == pytest.approx((10, 20, 50, 60), abs=0.01)


IPTC = """<Iptc4xmpExt:ImageRegion xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><rdf:Bag>
<rdf:li rdf:parseType="Resource"><Iptc4xmpExt:RegionBoundary rdf:parseType="Resource"><Iptc4xmpExt:rbShape>rectangle</Iptc4xmpExt:rbShape>
</Iptc4xmpExt:RegionBoundary></rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>"""
ACDSEE = """<acdsee-rs:Regions xmlns:acdsee-rs="http://ns.acdsee.com/regions/" rdf:parseType="Resource"><acdsee-rs:RegionList><rdf:Bag>
<rdf:li rdf:parseType="Resource"><acdsee-rs:Name>mina</acdsee-rs:Name></rdf:li></rdf:Bag></acdsee-rs:RegionList></acdsee-rs:Regions>"""


@pytest.mark.parametrize(("regions", "kind"), [(IPTC, "region of IPTC"), (ACDSEE, "region of ACDSee")])
def test_regions_that_are_not_read_are_named(tmp_path: Path, regions: str, kind: str) -> None:
    """Beside regions that are read they say the same once more, as digiKam and Lightroom write several."""
    picture(tmp_path / "a.jpg")
    write(tmp_path / "a.jpg.xmp", regions)
    (only,) = read(tmp_path)
    assert (only.boxes, [each.kind for each in only.unread]) == ((), [kind])
    write(tmp_path / "a.jpg.xmp", mwg(FACE), regions)
    (only,) = read(tmp_path)
    assert (len(only.boxes), only.unread) == (1, ())


def test_faces_that_picasa_kept_to_itself_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / ".picasa.ini").write_text("[a.jpg]\nfaces=rect64(3f845bcb59418507),8e62398ebda8c1a5\n")
    with pytest.raises(ImportUnreadable, match=r"The faces in \.picasa\.ini are not read"):
        read(tmp_path)
