/** `--forward` and `--expose`: a run, and beside it the host's end of the guest's wire. */
import { NetworkError, UserNetwork, type UserNetworkOptions } from '../lab/network/user-network.ts';
import type { Session } from '../lab/session.ts';
import { CommandError, EXIT } from './errors.ts';

/** Runs `body` with the ports open; returns its exit code. @throws CommandError */
export async function networked(
  session: Session,
  { forwards, exposures }: UserNetworkOptions,
  body: () => Promise<number>,
): Promise<number> {
  const { wire } = session.machine.board;
  if (wire === undefined || forwards.length + exposures.length === 0) return await body();
  let network: UserNetwork;
  try {
    network = await UserNetwork.open(wire, { forwards, exposures });
  } catch (error) {
    if (error instanceof NetworkError)
      throw new CommandError(`--forward: ${error.message}`, EXIT.INPUT);
    throw error;
  }
  try {
    return await body();
  } finally {
    await network.close();
  }
}
