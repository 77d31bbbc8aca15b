#include "cli/command.h"

namespace lyceum::cli {

std::vector<Command> commands() {
  return {demo(),
          bench(),
          serve(),
          local_up(),
          local_down(),
          local_status(),
          local_psql(),
          migrate(),
          load(),
          index_plan(),
          index_apply(),
          keys_create(),
          keys_list(),
          keys_revoke(),
          health(),
          doctor(),
          top(),
          replicas(),
          history(),
          alerts_rules(),
          alerts_test(),
          alerts_replay(),
          alerts_silence(),
          alerts_silences(),
          alerts_unsilence(),
          config_check(),
          config_show(),
          completion(),
          manual()};
}

}  // namespace lyceum::cli
