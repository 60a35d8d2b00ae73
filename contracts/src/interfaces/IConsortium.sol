// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Rules} from "../types/Rules.sol";

/// @notice What a master node is on the main chain (paper, section 1.1).
enum Role {
    None,
    Source,
    Grid,
    Aggregator,
    User
}

/// @notice Market settings, changed only by a vote of the masters.
/// @param coolingOffSeconds Time both parties of a deal have to confirm it, at most until the gate of its period closes; 0
/// makes every deal binding at once.
/// @param floorTicks Lowest price an order may have, in 0.0001 yuan/kWh.
/// @param capTicks Highest price an order may have, in 0.0001 yuan/kWh.
/// @param gateLeadSeconds How long before a delivery period begins its gate closes.
/// @param maxCandidates How many resting orders one call may look at per incoming order.
/// @param tradingRoles Bit `1 << role` is set for each role whose users may trade.
/// @param fallbackTicks What energy is worth in a period without deals, for its imbalance price; neither below the floor
/// nor above the cap.
/// @param incentivePermille How much the imbalance price is raised where the region is short, and lowered where it is
/// long; at most 1000.
/// @param meteringDueSeconds How long after a delivery day masters may take to submit what they metered.
/// @param apartSeconds What letting a deal end costs: for so long the order of the other party is not brought together
/// with orders of the same master again.
/// @param leastWh The least energy of a new order; at least 1. What is left of an order may be less.
/// @param bidMultiple A new bid may be worth at most so many times the free money of its trader; at least 1.
struct Settings {
    uint32 coolingOffSeconds;
    uint16 floorTicks;
    uint16 capTicks;
    uint32 gateLeadSeconds;
    uint16 maxCandidates;
    uint8 tradingRoles;
    uint16 fallbackTicks;
    uint16 incentivePermille;
    uint32 meteringDueSeconds;
    uint32 apartSeconds;
    uint16 leastWh;
    uint8 bidMultiple;
}

/// @notice A master node, the member of the main chain.
/// @param account The address it signs with.
/// @param role Its role in the region.
/// @param active False while it is suspended.
struct Master {
    address account;
    Role role;
    bool active;
}

/// @notice A master's private chain, as registered on the main chain.
/// @param chainId Its Ethereum chain id.
/// @param genesisHash Hash of its genesis, which names its sealer.
/// @param ledger Address of its `SlaveLedger`.
struct SlaveChain {
    uint64 chainId;
    bytes32 genesisHash;
    address ledger;
}

/// @notice An action that is voted on.
/// @param action The ABI-encoded call of a function of `IConsortium` marked "by vote".
/// @param proposer The master that put it to the vote.
/// @param end The last second in which it may be voted for.
/// @param inFavour The active masters that voted for it, as bits `1 << masterId`.
/// @param against The active masters that oppose it.
struct Ballot {
    bytes action;
    uint16 proposer;
    uint40 end;
    uint256 inFavour;
    uint256 against;
}

/// @notice All that the market asks of the consortium, in one answer.
/// @param masterId The caller's number.
/// @param tradingMasters Bit `1 << masterId` for each master that is active and whose role may trade.
/// @param rules The market settings in force.
struct Standing {
    uint16 masterId;
    uint256 tradingMasters;
    Rules rules;
}

/// @title The members of the main chain and the rules they set
/// @notice Masters admit and suspend each other, and change every setting, by votes of more than half of the
/// active masters. The regulator is named here, and is given no way to write.
interface IConsortium {
    /// @notice A master was admitted, or admitted again after a suspension.
    event MasterAdmitted(uint16 indexed masterId, address indexed account, Role role);
    /// @notice A master was suspended: it can do nothing until it is admitted again.
    event MasterSuspended(uint16 indexed masterId);
    /// @notice A master changed the key it signs with.
    event MasterKeyChanged(uint16 indexed masterId, address indexed account);
    /// @notice A master registered its node: what it votes and connects with.
    event ValidatorRegistered(uint16 indexed masterId, bytes32 key, bytes20 nodeId, bytes proof);
    /// @notice A master registered its slave chain.
    event SlaveRegistered(uint16 indexed masterId, uint64 chainId, bytes32 genesisHash, address ledger);
    /// @notice The market settings changed.
    event SettingsChanged(Settings settings);
    /// @notice Another master now credits deposits and debits withdrawals.
    event SettlementAgentChanged(uint16 indexed masterId);
    /// @notice Another master now publishes transfer capacity.
    event DispatcherChanged(uint16 indexed masterId);
    /// @notice Another address is now the regulator, and records are sealed to another key of it.
    event RegulatorChanged(address indexed regulator, bytes encryptionKey);
    /// @notice A master put an action to the vote.
    event Proposed(bytes32 indexed actionId, uint16 indexed masterId, uint40 end, bytes action);
    /// @notice A master opposes an action.
    event Opposed(bytes32 indexed actionId, uint16 indexed masterId);
    /// @notice A master took back what it had said of an action.
    event VoteWithdrawn(bytes32 indexed actionId, uint16 indexed masterId);
    /// @notice Half of the active masters oppose an action, or nobody is left who wants it: it is voted on no more.
    event ActionRejected(bytes32 indexed actionId);
    /// @notice A master voted for an action.
    event Voted(bytes32 indexed actionId, uint16 indexed masterId, bytes action);
    /// @notice An action found its majority and was carried out.
    event ActionCarried(bytes32 indexed actionId);

    /// @notice The caller is no active master.
    error NotActiveMaster(address caller);
    /// @notice This function only runs as an action that found its majority: pass it to `vote`.
    error OnlyByVote();
    /// @notice The caller has voted for this action already, and it still lacks its majority.
    error VotedAlready(bytes32 actionId);
    /// @notice This action is not voted on, or no longer.
    error NothingToVoteOn(bytes32 actionId);
    /// @notice A master has put as many actions to the vote as it may at once.
    error TooManyActions(uint16 masterId);
    /// @notice The address is zero, or belongs to a member already.
    error AccountNotFree(address account);
    /// @notice Without the regulator's encryption key no record could be sealed to it.
    error EncryptionKeyMissing();
    /// @notice A master needs one of the four roles.
    error RoleMissing();
    /// @notice There is no master with this number.
    error UnknownMaster(uint16 masterId);
    /// @notice The master is suspended already, or active already.
    error NothingToChange(uint16 masterId);
    /// @notice The last active master cannot be suspended, nor the settlement agent, nor the dispatcher.
    error MasterNeeded(uint16 masterId);
    /// @notice A consortium has at most 255 masters.
    error TooManyMasters();
    /// @notice Floor above cap, a fallback price outside of them, no candidate allowed, nobody allowed to trade, or
    /// no least order or multiple of money.
    error SettingsInvalid();
    /// @notice The key that is to act for a master did not sign that it does.
    error ConsentMissing(address account);
    /// @notice A validator needs a key, the id of its node, and a proof of 64 bytes.
    error ValidatorInvalid();
    /// @notice A master registers one slave chain, once.
    error SlaveRegisteredAlready(uint16 masterId);
    /// @notice A slave chain needs a chain id, a genesis hash and a ledger.
    error SlaveInvalid();

    /// @notice Vote for an action: the ABI-encoded call of a function of this contract marked "by vote". The first vote puts
    /// it to the vote for fourteen days; what has no majority then is forgotten. The vote that makes more than half of the
    /// active masters carries it out. Who voted already may vote again when suspensions have since made a majority of the
    /// votes there are. With a suspension the votes of the suspended master end.
    /// @return carried True if this vote carried the action out.
    function vote(bytes calldata action) external returns (bool carried);

    /// @notice Oppose an action that is voted on; the caller's vote for it is withdrawn. Half of the active masters end the
    /// vote.
    function oppose(bytes32 actionId) external;

    /// @notice Withdraw the caller's vote for an action, or against it. An action that nobody wants is voted on no more.
    function withdrawVote(bytes32 actionId) external;

    /// @notice By vote: admit a new master, or a suspended one again.
    function admit(address account, Role role) external;

    /// @notice By vote: suspend a master. Its orders neither match nor settle from now on.
    function suspend(uint16 masterId) external;

    /// @notice By vote: change the market settings.
    function changeSettings(Settings calldata settings_) external;

    /// @notice By vote: name the master that credits deposits and debits withdrawals.
    function changeSettlementAgent(uint16 masterId) external;

    /// @notice By vote: name the master that publishes transfer capacity.
    function changeDispatcher(uint16 masterId) external;

    /// @notice By vote: name the regulator's keys, its address and its public key; both change together or neither.
    function changeRegulator(address regulator_, bytes calldata encryptionKey) external;

    /// @notice Replace the caller's own key by another, which consents: nobody takes the address of a key it does not
    /// hold, so that nobody else's change of keys can be stopped.
    /// @param account Address of the next key.
    /// @param v Its signature over `keyConsent` of the caller's number, and `r` and `s`.
    function changeKey(address account, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Register the node with which the caller takes part in ordering the main chain, or another in its place.
    /// Where CometBFT orders the chain, the active masters' validators vote on its blocks. The EVM cannot check Ed25519
    /// signatures; every node does before it lets a registration count. One whose proof is not the key's own signature
    /// changes nothing, whoever came first.
    /// @param key Ed25519 key that signs the votes.
    /// @param nodeId Id that the node's connections are known by: the first 20 bytes of the SHA-256 hash of its key.
    /// @param proof Signature of the key (RFC 8032) over `gridbourse: this key votes for the master`, the chain id (8
    /// bytes), the address of this contract, the master's number (2 bytes) and the node's id.
    function registerValidator(bytes32 key, bytes20 nodeId, bytes calldata proof) external;

    /// @notice Register the caller's slave chain, once.
    function registerSlave(uint64 chainId, bytes32 genesisHash, address ledger) external;

    /// @notice The market settings in force.
    function settings() external view returns (Settings memory);

    /// @notice Number of masters ever admitted; their numbers run from 1.
    function masterCount() external view returns (uint16);

    /// @notice A master by its number.
    function master(uint16 masterId) external view returns (Master memory);

    /// @notice The number of the active master with this address.
    /// @dev Reverts with `NotActiveMaster` if there is none.
    function activeMasterId(address account) external view returns (uint16);

    /// @notice The number of the active master with this address, who may trade, and by which settings.
    /// @dev Reverts with `NotActiveMaster` if there is none.
    function standing(address account) external view returns (Standing memory);

    /// @notice True if the master is active and its role may trade.
    function mayTrade(uint16 masterId) external view returns (bool);

    /// @notice The master that credits deposits and debits withdrawals.
    function settlementAgent() external view returns (uint16 masterId);

    /// @notice The master that publishes transfer capacity.
    function dispatcher() external view returns (uint16 masterId);

    /// @notice The government's address: it reads everything and writes nothing.
    function regulator() external view returns (address);

    /// @notice The regulator's public key, to which every record is sealed.
    function regulatorEncryptionKey() external view returns (bytes memory);

    /// @notice What the next key of a master signs: an EIP-191 digest of version 0, for this contract, this chain and this
    /// master alone.
    function keyConsent(uint16 masterId) external view returns (bytes32 digest);

    /// @notice What a master registered to vote with; zero if nothing. Only a registration whose proof holds counts.
    function validator(uint16 masterId) external view returns (bytes32 key, bytes20 nodeId);

    /// @notice A master's slave chain; all zero before it is registered.
    function slaveChain(uint16 masterId) external view returns (SlaveChain memory);

    /// @notice The actions that are voted on now.
    function openActions() external view returns (bytes32[] memory actionIds);

    /// @notice What is voted on: the action itself, who is for it and against it, until when; and what it would replace.
    /// @return ballot The vote.
    /// @return inForce The call that would restore what is in force now; empty where an action replaces nothing.
    function ballotOn(bytes32 actionId) external view returns (Ballot memory ballot, bytes memory inForce);
}
