# SPDX-License-Identifier: MIT
"""Collects pictures to put people in front of: square JPEGs of 512 pixels from
folders of wallpapers (Debian: gnome-backgrounds, mate-backgrounds,
lomiri-wallpapers-16.04, lomiri-wallpapers-20.04, plasma-workspace-wallpapers,
ukui-wallpapers, desktop-base). Photographs named in HELD_OUT go to test/, for
measuring; all else to train/.

    python3 backgrounds.py OUT [FOLDER ...]"""
import os
import sys

from PIL import Image

FOLDERS = ["/usr/share/backgrounds", "/usr/share/wallpapers", "/usr/share/images/desktop-base"]
HELD_OUT = ["Bridge_by", "aitzgorri_by", "life_by", "Dune.jpg", "Storm.jpg",
            "picosdeeuropa_by", "BytheWater", "ColdRipple", "EveningGlow", "/Path/", "/Volna/",
            "summer_1am"]
SKIP = ["Wine_by", "Transparent", "Elephants", "Silk", "Spring", "Waves", "GreenTraditional",
        "MATE-Stripes", "no-logo", "screenshot"]


def pictures(folders):
    """One file per picture: wallpapers come in many sizes of the same."""
    seen = {}
    for folder in folders:
        for d, _, files in sorted(os.walk(folder)):
            for f in sorted(files):
                path = os.path.join(d, f)
                if f.lower().endswith((".jpg", ".jpeg", ".png", ".webp")) and not any(
                        s in path for s in SKIP):
                    seen.setdefault(d if "contents" in d else path, path)
    return list(seen.values())


def main():
    out, folders = sys.argv[1], sys.argv[2:] or FOLDERS
    for part in ("train", "test"):
        os.makedirs(os.path.join(out, part), exist_ok=True)
    count = 0
    for path in pictures(folders):
        try:
            image = Image.open(path)
            image.draft("RGB", (768, 768))
            image = image.convert("RGB")
        except OSError:
            continue
        if min(image.size) < 400:
            continue
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((512, 512))
        part = "test" if any(s in path for s in HELD_OUT) else "train"
        image.save(os.path.join(out, part, "%03d.jpg" % count), quality=88)
        count += 1
    print(count, "pictures")


if __name__ == "__main__":
    main()
