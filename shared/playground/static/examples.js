// Texts to begin with, written for this project: a request, a greeting of its own, and one that would fit anybody.

/** @type {{prompt: string, completions: [string, string]}[]} */
export const EXAMPLES = [
  {
    prompt: "给外婆的八十岁生日祝福",
    completions: [
      "外婆，院里的石榴又红了，您八十岁的笑比它还甜。愿您天天有热汤、有好梦，晒着太阳数我们回家的脚步。",
      "祝您福如东海，寿比南山，身体健康，万事如意，阖家幸福，心想事成！",
    ],
  },
  {
    prompt: "祝室友考研顺利",
    completions: [
      "笔记写完三大本，台灯陪了你一整年。明天你只管写会的，早饭我去排队，考完请你吃那家总说要去的火锅。",
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
