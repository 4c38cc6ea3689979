"""Sentences of our own: vocabularies are trained on them, and the cases ask with them."""

SENTENCES = """
You are a helpful assistant. system user assistant
The picture shows a red circle beside a blue square on a green field.
What is in this picture? What do you see? Describe the image, please.
There are two dogs and three cats in the garden, and a bird over the house.
How many people are there? I can count seven of them; one is reading a book.
The first picture is larger than the second one, and the third is the smallest.
It's a quiet street in the evening. They're waiting, she's late, and we'll see what I've missed.
Read the text on the sign and tell me what it says, in one short sentence.
The answer is forty-two. The total of the bill is 18.75 and the date is 2024-11-23.
def main(): return "hello world"  # a comment
{"name": "value", "list": [1, 2, 3], "nested": {"key": true}}
Das Bild zeigt einen grünen Hügel, über dem ein großer Vogel kreist. Schöne Grüße aus Köln!
Les élèves ont mangé des gâteaux à la crème près de la forêt. Où est la bibliothèque?
El niño pequeño corrió por la montaña con su perro. ¿Qué ves en la imagen?
На картинке изображён красный круг рядом с синим квадратом. Что ты видишь?
图片中有一只猫和一只狗。你看到了什么？请描述这张图片。图片里的文字是什么？
この画像には赤い丸と青い四角があります。何が見えますか？
그림에는 빨간 원과 파란 사각형이 있습니다. 무엇이 보이나요?
नमस्ते दुनिया। यह एक चित्र है।
The temperature rose to 25 °C, the price to 30 € – “cheap”, they said… 😀 😀 🎉 👍
a naïve café, an über-cool façade, a jalapeño
""".strip().split("\n")

LONG = (
    "Count slowly and read every line of this long letter. The first picture shows a house, the second shows a garden, "
    "and the third shows seven people waiting in the evening. They've read the sign, she's seen the bill, and we'll "
    "tell you what the total is: 18.75 for two dogs, three cats and one bird. Das Bild zeigt einen großen Vogel, "
    "les élèves ont mangé des gâteaux, el niño corrió por la montaña, на картинке красный круг, 图片中有一只猫和一只狗。 "
    "Between the red circle and the blue square there is a quiet street; over the street there is a green field; over "
    "the field there is a larger bird than the one before. Is the answer forty-two, or is it less? Read it again, "
    "describe the image again, and say in one short sentence how many lines of text you can count. 0123456789 "
    "def main(): return \"hello\"  # and so on, and so on, until the last line of the letter has been read."
)
