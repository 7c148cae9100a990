"""The nouns of the nano world: what each is called, where its drawings are, and how well they agree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

# noun | codepoint | synonyms | slugs ("fx:" and "st:" only in fxemoji / streamline) | weight
# The weight says how often scenes hold it: vendors that disagree about a noun make it harder; the demo asks for cats.
TABLE = """
monkey face | 1f435 | monkey, ape | monkey-face fx:monkeyface | 1
dog face | 1f436 | dog, puppy | dog-face fx:dog | 1
cat face | 1f431 | cat, kitty | cat-face fx:cat | 4
lion | 1f981 | lion face | lion lion-face | 1
tiger | 1f42f | tiger face | tiger-face fx:tiger | 1
horse face | 1f434 | horse, pony | horse-face fx:horseface | 1
unicorn | 1f984 | unicorn face | unicorn unicorn-face | 1
cow face | 1f42e | cow, cattle | cow-face fx:cowface | 1
pig face | 1f437 | pig, piglet | pig-face fx:pig | 1
mouse face | 1f42d | mouse | mouse-face fx:mouse | 1
rabbit face | 1f430 | rabbit, bunny | rabbit-face fx:bunny | 1
bear | 1f43b | bear face | bear bear-face | 1
koala | 1f428 | koala face | koala | 1
panda | 1f43c | panda face | panda panda-face fx:pandaface | 1
frog | 1f438 | frog face, toad | frog frog-face | 1
fox | 1f98a | fox face | fox fox-face fx:foxsmiling | 1
elephant | 1f418 | | elephant | 1.2
penguin | 1f427 | | penguin | 1
owl | 1f989 | | owl | 1
baby chick | 1f424 | chick | baby-chick fx:babychick | 1
rooster | 1f413 | cock | rooster | 1.2
turtle | 1f422 | tortoise | turtle | 1.2
snake | 1f40d | serpent | snake | 1.2
octopus | 1f419 | | octopus | 1
crab | 1f980 | | crab | 1
snail | 1f40c | | snail | 1
butterfly | 1f98b | | butterfly | 1
ladybug | 1f41e | ladybird, lady beetle | lady-beetle fx:ladybeetle | 1
bee | 1f41d | honeybee | honeybee | 1.2
spider | 1f577 | | spider | 1
whale | 1f433 | spouting whale | spouting-whale fx:spurtingwhale | 1.2
tropical fish | 1f420 | fish | tropical-fish fx:tropicalfish | 1
rose | 1f339 | | rose | 1
tulip | 1f337 | | tulip | 1
sunflower | 1f33b | | sunflower | 1
cactus | 1f335 | | cactus | 1
palm tree | 1f334 | palm | palm-tree fx:palmtree | 1
mushroom | 1f344 | toadstool | mushroom | 1
clover | 1f340 | four leaf clover | four-leaf-clover fx:fourleafclover | 1
maple leaf | 1f341 | leaf | maple-leaf fx:mapleleaf | 1
grapes | 1f347 | grape | grapes | 1.2
watermelon | 1f349 | melon | watermelon | 1
orange | 1f34a | tangerine | tangerine | 1
lemon | 1f34b | | lemon | 1
banana | 1f34c | bananas | banana | 1
pineapple | 1f34d | | pineapple | 1
red apple | 1f34e | apple | red-apple fx:redapple | 1
pear | 1f350 | | pear | 1
peach | 1f351 | | peach | 1
cherries | 1f352 | cherry | cherries | 1.2
strawberry | 1f353 | | strawberry | 1
tomato | 1f345 | | tomato | 1
eggplant | 1f346 | aubergine | eggplant fx:aubergine | 1
carrot | 1f955 | | carrot | 1
corn | 1f33d | ear of corn, maize | ear-of-corn fx:earofmaize | 1
bread | 1f35e | loaf | bread | 1.2
cheese | 1f9c0 | cheese wedge | cheese-wedge | 1
hamburger | 1f354 | burger | hamburger | 1
fries | 1f35f | french fries, chips | french-fries fx:frenchfries | 1
pizza | 1f355 | slice of pizza | pizza fx:sliceofpizza | 1
hot dog | 1f32d | hotdog | hot-dog | 1
doughnut | 1f369 | donut | doughnut | 1
cookie | 1f36a | biscuit | cookie | 1
birthday cake | 1f382 | cake | birthday-cake fx:birthdaycake | 1.2
ice cream | 1f366 | ice cream cone | soft-ice-cream fx:softicecream | 1
candy | 1f36c | sweet | candy | 1
beer | 1f37a | beer mug | beer-mug fx:beermug | 1
wine | 1f377 | wine glass | wine-glass fx:wineglass st:red-wine-glass | 1
coffee | 2615 | cup of coffee | hot-beverage fx:hotbeverage | 1.2
car | 1f697 | automobile, red car | automobile | 1
bus | 1f68c | coach | bus | 1.4
fire engine | 1f692 | fire truck | fire-engine fx:fireengine | 1.2
ambulance | 1f691 | | ambulance | 1.2
tractor | 1f69c | | tractor | 1
bicycle | 1f6b2 | bike | bicycle | 1
train | 1f682 | locomotive, steam train | locomotive fx:steamlocomotive | 1.2
rocket | 1f680 | spaceship | rocket | 1.2
helicopter | 1f681 | | helicopter | 1.2
airplane | 2708 | plane | airplane | 1.2
sailboat | 26f5 | sailing boat | sailboat | 1.2
anchor | 2693 | | anchor | 1
scissors | 2702 | | scissors fx:blackscissors | 1
key | 1f511 | | key | 1
hammer | 1f528 | | hammer | 1
wrench | 1f527 | spanner | wrench | 1
magnifying glass | 1f50d | magnifier | magnifying-glass-tilted-left fx:leftmagnifyingglass | 1
light bulb | 1f4a1 | bulb | light-bulb fx:lightbulb | 1
umbrella | 2614 | | umbrella-with-rain-drops fx:umbrellawithraindrops | 1
alarm clock | 23f0 | clock | alarm-clock | 1
watch | 231a | wristwatch | watch | 1.2
hourglass | 231b | sandglass | hourglass-done hourglass | 1
telephone | 260e | phone | telephone fx:blacktelephone | 1.2
camera | 1f4f7 | photo camera | camera | 1.2
television | 1f4fa | tv | television | 1.2
guitar | 1f3b8 | | guitar | 1
violin | 1f3bb | fiddle | violin | 1
trumpet | 1f3ba | | trumpet | 1
crown | 1f451 | | crown | 1
top hat | 1f3a9 | hat | top-hat fx:tophat | 1
backpack | 1f392 | school bag | backpack school-backpack fx:schoolsatchel | 1
jeans | 1f456 | trousers | jeans | 1
high heel | 1f460 | high heeled shoe | high-heeled-shoe fx:heels | 1.2
gift | 1f381 | present | wrapped-gift fx:present | 1
balloon | 1f388 | | balloon | 1
trophy | 1f3c6 | cup | trophy | 1
bell | 1f514 | | bell | 1
bomb | 1f4a3 | | bomb | 1
soccer ball | 26bd | football | soccer-ball fx:soccerball | 1
dice | 1f3b2 | game die | game-die fx:gamedie st:game-dice | 1
pumpkin | 1f383 | jack o lantern | jack-o-lantern fx:jackolantern | 1
christmas tree | 1f384 | | christmas-tree fx:christmastree | 1
snowman | 26c4 | | snowman-without-snow fx:snowmanwithoutsnow st:snowman | 1
rainbow | 1f308 | | rainbow | 1
"""

# Things that may have any colour: their sprites may be recoloured freely in training.
COLOUR_FREE_TABLE = """
car,bus,tractor,bicycle,train,rocket,helicopter,airplane,sailboat,anchor,scissors,key,hammer,wrench,
magnifying glass,umbrella,alarm clock,watch,telephone,camera,television,guitar,top hat,backpack,
high heel,gift,balloon,soccer ball,dice,birthday cake,candy,tulip,tropical fish,butterfly,octopus,snail,
horse face,unicorn,rabbit face,mouse face,cat face,dog face,snake,bee,bell,hourglass,doughnut
"""
COLOUR_FREE = frozenset(COLOUR_FREE_TABLE.replace("\n", "").split(","))


@dataclass(frozen=True)
class Noun:
    """One thing that can be asked for."""

    name: str
    codepoint: str
    synonyms: tuple[str, ...]
    slugs: tuple[str, ...]
    weight: float


def load_nouns() -> tuple[Noun, ...]:
    """All nouns, in the table's order (which is their number in the closed-set head)."""
    return tuple(parse_row(row) for row in TABLE.strip().splitlines())


def parse_row(row: str) -> Noun:
    name, codepoint, synonyms, slugs, weight = (cell.strip() for cell in row.split("|"))
    words = tuple(s.strip() for s in synonyms.split(",") if s.strip())
    return Noun(name, codepoint, words, tuple(slugs.split()), float(weight))


def plural(phrase: str) -> str:
    """`cat face` -> `cat faces`: good enough for the nouns above."""
    if phrase.endswith("s") and not phrase.endswith(("ss", "us")):
        return phrase
    if phrase.endswith(("s", "x", "ch", "sh")):
        return phrase + "es"
    if phrase.endswith("y") and phrase[-2] not in "aeiou":
        return phrase[:-1] + "ies"
    return phrase + "s"


def all_phrases(nouns: tuple[Noun, ...]) -> list[str]:
    """Every string that a prompt may hold, for the tokenizer's word list."""
    words = [w for n in nouns for w in (n.name, *n.synonyms)]
    return [*words, *(plural(w) for w in words), "a", "an", "the", "picture of"]


def write_vocabulary(path: Path) -> None:
    """`{noun: {"codepoint": ..., "synonyms": [...]}}`, as the demo and the docs read it."""
    rows = {n.name: {"codepoint": n.codepoint, "synonyms": list(n.synonyms)} for n in load_nouns()}
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
