"""What the starter finds by words of other languages.

    python bench/starter_languages.py cifar10-test-2000.tar imagenet-1000.tar [--model starter]

CIFAR-10 is named in five languages, by a word and by a sentence around it. In the other pictures everyday things are
looked for: how often a word finds first what the English word finds first.
"""

import argparse

import numpy as np

from seesay.encoders import load
from seesay.encoders.encoder import Encoder
from seesay.evaluation.datasets import open_dataset

NAMES = {
    "English": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "German": ("Flugzeug", "Auto", "Vogel", "Katze", "Hirsch", "Hund", "Frosch", "Pferd", "Schiff", "Lastwagen"),
    "French": ("avion", "voiture", "oiseau", "chat", "cerf", "chien", "grenouille", "cheval", "bateau", "camion"),
    "Spanish": ("avión", "coche", "pájaro", "gato", "ciervo", "perro", "rana", "caballo", "barco", "camión"),
    "Chinese": ("飞机", "汽车", "鸟", "猫", "鹿", "狗", "青蛙", "马", "船", "卡车"),
}
"""In the order of the dataset's classes."""
SENTENCES = {
    "English": "a photo of a {}",
    "German": "ein Foto von einem {}",
    "French": "une photo de {}",
    "Spanish": "una foto de un {}",
    "Chinese": "一张{}的照片",
}

THINGS = """
elephant | Elefant | éléphant | elefante | 大象
giraffe | Giraffe | girafe | jirafa | 长颈鹿
lion | Löwe | lion | león | 狮子
monkey | Affe | singe | mono | 猴子
rabbit | Kaninchen | lapin | conejo | 兔子
bear | Bär | ours | oso | 熊
penguin | Pinguin | pingouin | pingüino | 企鹅
butterfly | Schmetterling | papillon | mariposa | 蝴蝶
snake | Schlange | serpent | serpiente | 蛇
spider | Spinne | araignée | araña | 蜘蛛
fish | Fisch | poisson | pez | 鱼
duck | Ente | canard | pato | 鸭子
sheep | Schaf | mouton | oveja | 羊
pig | Schwein | cochon | cerdo | 猪
tree | Baum | arbre | árbol | 树
mushroom | Pilz | champignon | seta | 蘑菇
apple | Apfel | pomme | manzana | 苹果
banana | Banane | banane | plátano | 香蕉
strawberry | Erdbeere | fraise | fresa | 草莓
bread | Brot | pain | pan | 面包
pizza | Pizza | pizza | pizza | 披萨
coffee | Kaffee | café | café | 咖啡
bicycle | Fahrrad | vélo | bicicleta | 自行车
bus | Bus | bus | autobús | 公共汽车
train | Zug | train | tren | 火车
motorcycle | Motorrad | moto | motocicleta | 摩托车
chair | Stuhl | chaise | silla | 椅子
sofa | Sofa | canapé | sofá | 沙发
bed | Bett | lit | cama | 床
lamp | Lampe | lampe | lámpara | 台灯
book | Buch | livre | libro | 书
clock | Uhr | horloge | reloj | 时钟
computer | Computer | ordinateur | ordenador | 电脑
keyboard | Tastatur | clavier | teclado | 键盘
guitar | Gitarre | guitare | guitarra | 吉他
piano | Klavier | piano | piano | 钢琴
violin | Geige | violon | violín | 小提琴
umbrella | Regenschirm | parapluie | paraguas | 雨伞
backpack | Rucksack | sac à dos | mochila | 背包
shoe | Schuh | chaussure | zapato | 鞋
hat | Hut | chapeau | sombrero | 帽子
scissors | Schere | ciseaux | tijeras | 剪刀
bridge | Brücke | pont | puente | 桥
castle | Schloss | château | castillo | 城堡
church | Kirche | église | iglesia | 教堂
mountain | Berg | montagne | montaña | 山
beach | Strand | plage | playa | 海滩
"""
"""In the order of `NAMES`."""


def main() -> None:
    """Print a line for each language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cifar10")
    parser.add_argument("pictures")
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    encoder = load(arguments.model)
    print(encoder.id)
    name_cifar10(encoder, arguments.cifar10)
    find_things(encoder, arguments.pictures)


def name_cifar10(encoder: Encoder, path: str) -> None:
    """Print how many pictures are right, by the word and by the sentence."""
    dataset = open_dataset(path)
    labels = dataset.single_labels
    assert labels is not None, "needs one label a picture"
    assert len(labels.classes) == len(NAMES["English"]), "needs CIFAR-10"
    images_NE = encoder.encode_images([dataset.pictures[number] for number in range(len(dataset.pictures))])
    print(f"CIFAR-10, {len(images_NE)} pictures: right by the word, right by the sentence")
    for language, names in NAMES.items():
        sentences = [SENTENCES[language].format(name) for name in names]
        texts = (encoder.encode_texts(names), encoder.encode_texts(sentences))
        right = [(np.argmax(images_NE @ texts_CE.T, axis=1) == labels.labels).mean() for texts_CE in texts]
        print(f"{language:8} {right[0]:6.1%} {right[1]:6.1%}", flush=True)


def find_things(encoder: Encoder, path: str) -> None:
    """Print how often the first picture is that of the English word."""
    dataset = open_dataset(path)
    images_NE = encoder.encode_images([dataset.pictures[number] for number in range(len(dataset.pictures))])
    columns = list(zip(*(line.split(" | ") for line in THINGS.strip().splitlines()), strict=True))
    english_T = np.argmax(images_NE @ encoder.encode_texts(columns[0]).T, axis=0)
    print(f"{len(columns[0])} things in {len(images_NE)} pictures: the English word's first picture found first")
    for language, names in zip(NAMES, columns, strict=True):
        found_T = np.argmax(images_NE @ encoder.encode_texts(names).T, axis=0)
        others = [name for name, is_same in zip(names, found_T == english_T, strict=True) if not is_same]
        print(f"{language:8} {(found_T == english_T).mean():6.1%}  others: {', '.join(others)}", flush=True)


if __name__ == "__main__":
    main()
