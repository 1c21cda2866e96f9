#!/bin/sh
# Runs `zhufu train grpo` by the launcher that its arguments name, and goes on where an earlier Pod of this run ended.
set -eu
resume=
if [ -f "$RUN/run.json" ]; then resume=--resume; fi
exec "$@" -m trainer.cli train grpo $resume \
  --output "$RUN" --model "$MODEL" --data "$DATA" --preset "$PRESET" \
  --reward "judge=$ZHUFU_REDIS_URL?reward=judge" \
  --reward "reward_model=$ZHUFU_REDIS_URL?reward=reward_model" --weight reward_model=0 --shadow-every 10 \
  --vllm colocate --vllm-memory-share 0.25 --deepspeed /etc/train-grpo/zero3.json --save-steps 50 \
  --metrics-host 0.0.0.0 --metrics-port 9464
