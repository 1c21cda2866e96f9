"""What a request or a greeting is for, as far as single words tell: a lexicon of occasions and festivals.

Only what is certain counts: of a text without any of these words nothing is known. Occasions that people would mix up
(a birthday and a coming of age, an engagement and a wedding) are of one family; two texts are of clearly different
occasions where both name some and no family is named by both.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One occasion.

    Attributes:
        name: What replaces the words of another one, in a sentence that wishes a happy one.
        family: Occasions of one family are not clearly different.
        words: A regular expression for whatever names the occasion.
        nouns: Those words that ``name`` of another occasion can stand for; longest first. Empty: none can.
    """

    name: str
    family: str
    words: str
    nouns: tuple[str, ...] = ()


_NUMBER = r"[0-9０-９一二三四五六七八九十百]"

OCCASIONS: Final = (
    Occasion(
        name="生日",
        family="birthday",
        words=rf"生日|生辰|诞辰|华诞|大寿|寿星|寿辰|寿宴|寿诞|祝寿|贺寿|过寿|拜寿|寿桃|寿面|{_NUMBER}寿"
        rf"|{_NUMBER}周?岁|花甲|古稀|耄耋|长尾巴",
        nouns=("生日",),
    ),
    Occasion(name="成人礼", family="birthday", words="成人礼|成年礼|成人|成年", nouns=("成人礼", "成年礼")),
    Occasion(name="满月", family="baby", words="满月", nouns=("满月",)),
    Occasion(name="百日", family="baby", words="百日|百天", nouns=("百日", "百天")),
    Occasion(
        name="喜得贵子",
        family="baby",
        words="周岁|新生儿|出生|降生|诞生|怀孕|孕|产妇|喜得|喜添|添丁|得子|生子|生娃|生了|生小孩|生孩子|生宝宝|贵子|麟儿"
        "|千金|弄璋|弄瓦|婴儿|新生命|小生命|当爸|当妈|升级当|宝宝|开荤|抓周",
    ),
    Occasion(name="新婚", family="marriage", words="新婚", nouns=("新婚",)),
    Occasion(name="订婚", family="marriage", words="订婚|定亲", nouns=("订婚",)),
    Occasion(
        name="婚礼",
        family="marriage",
        words="结婚|婚礼|婚庆|婚姻|大婚|完婚|成婚|金婚|银婚|求婚|新人|新郎|新娘|出嫁|嫁|娶|喜酒|洞房|喜结|良缘|连理"
        "|百年好合|永结同心|白头|偕老|鸾凤|琴瑟|佳偶|伉俪|迎亲|铺床|情侣|相爱|情人间|爱情|恋人",
        nouns=("婚礼",),
    ),
    Occasion(name="情人节", family="marriage", words="情人节", nouns=("情人节",)),
    Occasion(name="七夕", family="marriage", words="七夕|鹊桥|牛郎|织女", nouns=("七夕节", "七夕")),
    Occasion(
        name="春节",
        family="new year",
        words="春节|新春|拜年|过年|大年|除夕|年夜饭|守岁|压岁|小年|灶王|腊月|年味|[鼠牛虎兔龙蛇马羊猴鸡狗猪]年"
        "|财神|开财门|爆竹|贺岁",
        nouns=("春节", "新春", "除夕"),
    ),
    Occasion(name="元旦", family="new year", words="元旦|新年|跨年|辞旧|迎新|新岁", nouns=("元旦", "新年")),
    Occasion(name="元宵节", family="new year", words="元宵|汤圆|花灯|灯谜|上元", nouns=("元宵节", "元宵")),
    Occasion(name="清明节", family="mourning", words="清明|扫墓|祭扫", nouns=("清明节",)),
    Occasion(name="", family="mourning", words="逝世|死去|去世|安息|一路走好|缅怀|节哀"),
    Occasion(name="端午节", family="端午", words="端午|粽|龙舟|艾草|屈原|菖蒲", nouns=("端午节", "端午")),
    Occasion(name="中秋节", family="中秋", words="中秋|月饼|团圆|赏月|桂花|玉兔|嫦娥", nouns=("中秋节", "中秋")),
    Occasion(name="重阳节", family="重阳", words="重阳|登高|茱萸|敬老", nouns=("重阳节", "重阳")),
    Occasion(name="冬至", family="冬至", words="冬至|饺子|数九", nouns=("冬至",)),
    Occasion(name="国庆节", family="nation", words="国庆|祖国|华夏|山河|家国|国泰|党员|党的", nouns=("国庆节", "国庆")),
    Occasion(
        name="建军节", family="soldier", words="建军|参军|当兵|军营|新兵|战士|海军|军装|战友|退伍|入伍|武警|部队|官兵"
    ),
    Occasion(name="劳动节", family="劳动节", words="劳动节|五一|劳动者", nouns=("劳动节",)),
    Occasion(name="母亲节", family="母亲节", words="母亲节", nouns=("母亲节",)),
    Occasion(name="父亲节", family="父亲节", words="父亲节", nouns=("父亲节",)),
    Occasion(name="妇女节", family="妇女节", words="妇女节|女神节|女王节|三八", nouns=("妇女节", "女神节")),
    Occasion(name="儿童节", family="儿童节", words="儿童节|六一", nouns=("儿童节",)),
    Occasion(name="教师节", family="teacher", words="教师节|桃李|讲台|粉笔|班主任节", nouns=("教师节",)),
    Occasion(name="护士节", family="护士节", words="护士|白衣|提灯|天使们", nouns=("护士节",)),
    Occasion(name="复活节", family="复活节", words="复活节|复活", nouns=("复活节",)),
    Occasion(name="圣诞节", family="圣诞节", words="圣诞|平安夜", nouns=("圣诞节",)),
    Occasion(name="读书日", family="study", words="读书日|书香", nouns=("读书日",)),
    Occasion(name="地球日", family="地球日", words="地球", nouns=("地球日",)),
    Occasion(name="高考", family="study", words="高考|高三|金榜", nouns=("高考",)),
    Occasion(name="中考", family="study", words="中考|体考", nouns=("中考",)),
    Occasion(name="考研", family="study", words="考研|研究生", nouns=("考研",)),
    Occasion(
        name="毕业",
        family="study",
        words="毕业|考试|考场|考卷|试卷|逢考|期中|期末|笔尖|录取|学业|升学|开学|入学|大学|校园|学校|母校|研学|答题|上岸",
        nouns=("毕业",),
    ),
    Occasion(name="比赛", family="sport", words="比赛|赛场|夺冠|冠军|体育|赛前|决赛|运动会", nouns=("比赛",)),
    Occasion(name="升职", family="work", words="升职|高升|升官|晋升|擢升", nouns=("升职", "高升")),
    Occasion(name="入职", family="work", words="入职|新岗位|履新|调任|调动|新职|上任|新程", nouns=("入职",)),
    Occasion(name="退休", family="work", words="退休|荣休|卸任", nouns=("退休",)),
    Occasion(name="", family="work", words="工作|事业|职场|团建|岗位|同事|送别|离职|共事|仕途"),
    Occasion(name="开业", family="business", words="开业|开张|开店|开市|店铺|新店|门店|饭店", nouns=("开业", "开张")),
    Occasion(
        name="公司周年",
        family="business",
        words="公司|生意|财源|客源|宾客|周年庆|发财|暴富|老板|店|商机|宏图|顾客",
    ),
    Occasion(name="乔迁", family="house", words="乔迁|搬家|迁居|迁新居|新居", nouns=("乔迁", "搬家")),
    Occasion(
        name="", family="house", words="新房|新家|搬新|入住|华堂|上梁|上粱|金梁|封顶|地基|装门|安门|动土|奠基|新邻居"
    ),
    Occasion(name="", family="health", words="康复|痊愈|手术|病|出院|术后|住院|复健|拆石膏|养好|早日恢复"),
    Occasion(name="", family="car", words="新车|爱车|提车|驾照|方向盘|车轮|座驾|油门|刹车"),
    Occasion(name="", family="journey", words="旅游|旅途|旅行|出行|飞机|航班|出国|远行|一路平安|起落|启程"),
    Occasion(
        name="早安",
        family="morning",
        words="早安|早上|早晨|清晨|晨光|早上好|晨曦|晨起|早。|早，",
        nouns=("早安", "早上好"),
    ),
    Occasion(name="午安", family="noon", words="中午|午安|午后|午间", nouns=("午安", "中午好")),
    Occasion(name="晚安", family="night", words="晚安|好梦|入梦|安睡|今晚早点睡|睡个", nouns=("晚安",)),
    Occasion(name="", family="friendship", words="友谊|友情"),
    Occasion(name="", family="thanks", words="感谢信|答谢|回谢|谢谢.{0,12}(?:帮|给|送|借|替|照)"),
    Occasion(name="", family="feast", words="酒席|聚餐|祝酒|干杯|举杯"),
    Occasion(name="", family="cards", words="打牌|手气|牌桌|麻将"),
    Occasion(name="", family="prison", words="出狱"),
)

GREETINGS_OF_THE_DAY: Final = frozenset({"morning", "noon", "night"})
"""Their names replace each other, and no festival's."""


@functools.lru_cache(maxsize=100_000)
def families_of(text: str) -> frozenset[str]:
    """The families of the occasions that a text names; empty where it names none."""
    return frozenset(occasion.family for occasion, words in _compiled() if words.search(text))


def named_occasions(text: str) -> list[Occasion]:
    """The occasions that a text names."""
    return [occasion for occasion, words in _compiled() if words.search(text)]


def clearly_different(first: str, second: str) -> bool:
    """Whether both texts name occasions, and none of one family."""
    ours, others = families_of(first), families_of(second)
    return bool(ours and others) and not ours & others


def belongs_only_to(text: str, own: str, other: str) -> bool:
    """Whether a text names an occasion of its own request and none of another request's."""
    named = families_of(text)
    return bool(named & families_of(own)) and not named & families_of(other)


@functools.cache
def _compiled() -> tuple[tuple[Occasion, re.Pattern[str]], ...]:
    return tuple((occasion, re.compile(occasion.words)) for occasion in OCCASIONS)
