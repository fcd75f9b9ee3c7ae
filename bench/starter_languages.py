"""CIFAR-10 named in five languages: what the starter finds by a word, and by a sentence around it.

python bench/starter_languages.py cifar10-test-2000.tar [--model starter]
"""

import argparse

import numpy as np

from seesay.encoders import load
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


def main() -> None:
    """Print a line for each language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    encoder, dataset = load(arguments.model), open_dataset(arguments.dataset)
    labels = dataset.single_labels
    assert labels is not None, "needs one label a picture"
    assert len(labels.classes) == len(NAMES["English"]), "needs CIFAR-10"
    images_NE = encoder.encode_images([dataset.pictures[number] for number in range(len(dataset.pictures))])
    print(f"{encoder.id}, {len(images_NE)} pictures; right by the word, right by the sentence, cosines to English")
    english_CE = encoder.encode_texts(NAMES["English"])
    for language, names in NAMES.items():
        words_CE = encoder.encode_texts(names)
        sentences_CE = encoder.encode_texts([SENTENCES[language].format(name) for name in names])
        right = [
            (np.argmax(images_NE @ texts_CE.T, axis=1) == labels.labels).mean() for texts_CE in (words_CE, sentences_CE)
        ]
        cosines = " ".join(f"{cosine:.2f}" for cosine in (words_CE * english_CE).sum(axis=1))
        print(f"{language:8} {right[0]:6.1%} {right[1]:6.1%}  {cosines}", flush=True)


if __name__ == "__main__":
    main()
