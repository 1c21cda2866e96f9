// Texts to begin with, written for this project: a request, a greeting of its own, and one that would fit anybody.

/** @type {{prompt: string, completions: [string, string]}[]} */
export const EXAMPLES = [
  {
    prompt: "给外婆的八十岁生日祝福",
    completions: [
      "外婆，八十岁生日快乐！今天您只管坐着吃长寿面，碗我们来洗。",
      "祝您生日快乐，松柏常青，天天都有好心情，一家子和和气气，红红火火！",
    ],
  },
  {
    prompt: "祝室友考研顺利",
    completions: [
      "你写完的那三本笔记，明天都会站在你这边。今晚早点睡，早饭我去带。",
      "祝你考研成功，金榜题名，前程似锦，一切顺利！",
    ],
  },
  {
    prompt: "中秋节发给在外地值班的同事",
    completions: [
      "今晚你守着机房，我们守着一盘给你留的月饼。窗外那轮月亮不用打卡，替我们陪你坐一会儿。",
      "中秋佳节到，祝大家节日快乐，团团圆圆，幸福安康！",
    ],
  },
];
